// What debuggers of Rust are asked about: structs, a vector, threads one after
// another, and a static that changes.
use std::sync::atomic::{AtomicU64, Ordering};

static TOTAL: AtomicU64 = AtomicU64::new(0);

pub struct Pair {
    pub left: u64,
    pub right: u64,
}

#[no_mangle]
#[inline(never)]
pub fn leaf(i: u64) -> u64 {
    i * 2
}

#[no_mangle]
#[inline(never)]
pub fn work(p: &Pair) -> u64 {
    let mut sum = p.left;
    for i in 0..p.right {
        sum += leaf(i);
        TOTAL.store(sum, Ordering::SeqCst);
    }
    sum
}

#[no_mangle]
#[inline(never)]
pub fn counted(sum: u64) {
    println!("total {}", sum);
}

fn main() {
    let mut sum = 0;
    for left in 0..3 {
        let thread = std::thread::spawn(move || work(&Pair { left, right: 20 }));
        sum += thread.join().unwrap();
    }
    counted(sum);
}
