// Threads, panics that are caught and that end a thread, collections, closures
// through pointers.
use std::collections::BTreeMap;
use std::panic;
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

fn deep(n: u32) -> u32 {
    let kept = vec![n; (n % 7) as usize + 1];
    if n == 0 {
        panic!("bottom");
    }
    deep(n - 1) + kept[0]
}

fn shapes(n: u64) -> Vec<Box<dyn Fn(u64) -> u64>> {
    vec![
        Box::new(move |x| x.wrapping_mul(n)),
        Box::new(move |x| x.rotate_left((n % 64) as u32)),
        Box::new(move |x| x ^ n),
    ]
}

fn main() {
    panic::set_hook(Box::new(|_| {}));
    let caught = (0..500)
        .filter(|i| panic::catch_unwind(|| deep(i % 50)).is_err())
        .count();
    println!("caught {}", caught);

    let total = Arc::new(Mutex::new(0u64));
    let (send, receive) = mpsc::channel();
    let threads: Vec<_> = (0..8u64)
        .map(|i| {
            let (total, send) = (total.clone(), send.clone());
            thread::spawn(move || {
                let f = shapes(i * 2654435761 + 1);
                let mut x = i;
                for k in 0..100000 {
                    x = f[k % 3](x);
                }
                *total.lock().unwrap() ^= x;
                send.send(x % 10).unwrap();
                if i % 3 == 0 {
                    panic!("on purpose");
                }
            })
        })
        .collect();
    let failed = threads.into_iter().filter_map(|t| t.join().err()).count();
    drop(send);
    let mut digits: Vec<u64> = receive.iter().collect();
    digits.sort();
    println!("threads {} {} {:?}", failed, total.is_poisoned(), digits);

    let mut words = BTreeMap::new();
    for i in 0..30000u32 {
        *words.entry(format!("w{}", i.wrapping_mul(2654435761) % 999)).or_insert(0u32) += i % 7;
    }
    println!("words {} {:?}", words.len(), words.iter().next());
}
