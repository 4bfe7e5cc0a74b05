// Goroutines that never yield (so that the runtime preempts them by signals),
// channels, panics that are recovered, nil pointers, growing stacks, garbage.
package main

import (
	"errors"
	"fmt"
	"runtime"
	"sort"
	"strings"
	"sync"
)

func spin(n int) uint32 {
	x := uint32(n)
	for i := 0; i < 3000000; i++ {
		x = x*1664525 + 1013904223
	}
	return x
}

func deep(n int) int {
	var room [64]int
	if n == 0 {
		panic("bottom")
	}
	room[n%64] = n
	return deep(n-1) + room[n%64]
}

func caught(f func()) (what string) {
	defer func() {
		if r := recover(); r != nil {
			what = fmt.Sprint(r)
		}
	}()
	f()
	return "none"
}

type node struct {
	left, right *node
	key         int
}

func (t *node) insert(key int) *node {
	if t == nil {
		return &node{key: key}
	}
	if key < t.key {
		t.left = t.left.insert(key)
	} else {
		t.right = t.right.insert(key)
	}
	return t
}

func (t *node) sum() int {
	if t == nil {
		return 0
	}
	return t.key + t.left.sum() + t.right.sum()
}

func spinners() {
	var wait sync.WaitGroup
	var lock sync.Mutex
	total := uint32(0)
	for i := 0; i < 12; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			x := spin(i)
			lock.Lock()
			total ^= x
			lock.Unlock()
		}(i)
	}
	for i := 0; i < 5; i++ {
		runtime.GC()
	}
	wait.Wait()
	fmt.Println("spinners", total)
}

func pipeline() {
	in, out := make(chan int), make(chan int, 16)
	for i := 0; i < 8; i++ {
		go func() {
			for n := range in {
				out <- n * n % 1000
			}
		}()
	}
	go func() {
		for i := 0; i < 20000; i++ {
			in <- i
		}
		close(in)
	}()
	sum := 0
	for i := 0; i < 20000; i++ {
		sum += <-out
	}
	fmt.Println("pipeline", sum)
}

func panics() {
	var none *node
	var zero int
	counts := map[string]int{}
	for i := 0; i < 300; i++ {
		counts[caught(func() { deep(i % 200) })]++
		counts[caught(func() { none.key = i })]++
		counts[caught(func() { fmt.Sprint(i / zero) })]++
		counts[caught(func() { panic(errors.New("own")) })]++
	}
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Println(counts[name], name)
	}
}

func main() {
	runtime.GOMAXPROCS(4)
	spinners()
	pipeline()
	panics()
	var tree *node
	for i, key := 0, 1; i < 20000; i++ {
		key = key * 48271 % 2147483647
		tree = tree.insert(key)
	}
	fmt.Println("tree", tree.sum(), len(strings.Repeat("ab", 1000)))
}
