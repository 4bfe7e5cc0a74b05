# Regular expressions, hashes, sorting, closures, eval, pack.
use strict; use warnings;
my ($n, %c, $w, $m, $x) = (0);
$w = $m = $x = 0;
open(my $h, '<', $ARGV[0]) or die "no input";
while (<$h>) {
  last if ++$n > 6000;
  while (/\b([a-z]{3,})\b/g) { $c{$1}++; $w++ }
  $m++ if /(?:e|a)([^ ]+)\s+\1?t/;
  $x += length($_) if s/(\d+)/<$1>/g;
  my @f = split / /; $x += scalar(@f);
}
my @k = sort { $c{$b} <=> $c{$a} || $a cmp $b } keys %c;
print "$n $w $m $x $k[0] $k[1]\n";
my @subs = map { my $i = $_; sub { $_[0] * $i + 1 } } 1 .. 50;
my $v = 1; $v = $subs[$v % 50]->($v) % 1000003 for 1 .. 100000;
print "$v\n";
my $died = 0;
for my $i (1 .. 3000) { eval { die "x$i\n" if $i % 3; 1 } or $died += length $@ }
print "$died ", unpack("%32C*", pack("N*", 1 .. 10000)), "\n";
local $SIG{ALRM} = sub { die "late\n" };
alarm 0;
print join(",", map { sprintf "%o", $_ } grep { $_ % 7 == 0 } 1 .. 100), "\n";
print `echo from a child | tr a-z A-Z`;
