/* nullstub.c - answers RSP packets from canned strings, traces nothing.
 * It gives the floor of rsp_bench.py: what the client, the kernel's loopback
 * TCP and packet framing cost with a server that does no work.
 *   nullstub PORT [SPIN_US]
 * With SPIN_US it looks for the next request for that long before it sleeps:
 * what polling the socket saves when the client is on another core.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PKT 0x20000
static char in[PKT + 64], out[2 * PKT + 64], body[2 * PKT];
static int noack;

static void reply(int fd, const char *p, size_t n)
{
	unsigned sum = 0;
	size_t o = 0;
	if (!noack)
		out[o++] = '+';
	out[o++] = '$';
	for (size_t i = 0; i < n; i++)
		sum += (unsigned char)(out[o++] = p[i]);
	o += (size_t)snprintf(out + o, 4, "#%02x", sum & 255);
	for (size_t w = 0; w < o;) {
		ssize_t k = write(fd, out + w, o - w);
		if (k <= 0)
			exit(0);
		w += (size_t)k;
	}
}

static void handle(int fd, char *p)
{
#define STARTS(s) (!strncmp(p, s, sizeof s - 1))
#define SAY(s)	  reply(fd, s, strlen(s))
	const char *stop = "T0506:0000000000000000;07:0000000000000000;10:"
			   "0000400000000000;thread:p1.1;core:0;";
	if (STARTS("qSupported"))
		SAY("PacketSize=20000;QStartNoAckMode+;multiprocess+;swbreak+;"
		    "hwbreak+;vContSupported+;"
		    "binary-upload+;qXfer:features:read+");
	else if (STARTS("QStartNoAckMode"))
		SAY("OK"), noack = 1;
	else if (*p == '?' || STARTS("vCont;"))
		SAY(stop);
	else if (STARTS("vCont?"))
		SAY("vCont;c;C;s;S;t;r");
	else if (*p == 'g')
		memset(body, '0', 1120), reply(fd, body, 1120);
	else if (*p == 'p')
		SAY("0000400000000000");
	else if (*p == 'm' || *p == 'x') {
		char *c = strchr(p, ',');
		size_t n = c ? strtoul(c + 1, NULL, 16) : 0;
		if (*p == 'm')
			n *= 2, memset(body, '4', n);
		else
			memset(body + 1, 'A', n), body[0] = 'b', n++;
		reply(fd, body, n);
	} else if (STARTS("qC"))
		SAY("QCp1.1");
	else if (*p == 'X' || *p == 'M' || *p == 'H' || *p == 'Z' ||
		 *p == 'z' || STARTS("vKill"))
		SAY("OK");
	else if (STARTS("vFile:open"))
		SAY("F5");
	else if (STARTS("vFile:pread")) {
		char *c = strchr(p, ',');
		size_t n = strtoul(c + 1, NULL, 16);
		int h = snprintf(body, 32, "F%zx;", n);
		memset(body + h, 'A', n);
		reply(fd, body, n + (size_t)h);
	} else if (STARTS("vFile:"))
		SAY("F0");
	else
		SAY("");
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e6 + t.tv_nsec * 1e-3;
}

static ssize_t next(int fd, char *p, size_t n, double spin)
{
	if (spin > 0)
		for (double end = now_us() + spin; now_us() < end;) {
			ssize_t k = recv(fd, p, n, MSG_DONTWAIT);
			if (k >= 0)
				return k;
		}
	return read(fd, p, n);
}

int main(int argc, char **argv)
{
	double spin = argc > 2 ? atof(argv[2]) : 0;
	int one = 1, s = socket(AF_INET, SOCK_STREAM, 0), fd;
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	size_t have = 0;
	a.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0));
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(s, (void *)&a, sizeof a) || listen(s, 1) ||
	    (fd = accept(s, 0, 0)) < 0)
		return perror("nullstub"), 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	for (;;) {
		ssize_t k = next(fd, in + have, PKT - have, spin);
		char *p = in, *h;
		if (k <= 0)
			return 0;
		have += (size_t)k;
		for (;;) {
			while (p < in + have && *p != '$')
				p++;
			h = memchr(p, '#', (size_t)(in + have - p));
			if (!h || h + 3 > in + have)
				break;
			*h = 0;
			handle(fd, p + 1);
			p = h + 3;
		}
		have -= (size_t)(p - in);
		memmove(in, p, have);
	}
}
