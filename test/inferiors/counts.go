// What debuggers of Go are asked about: a struct, goroutines of threads
// of their own, one after another, a global that changes.
package main

import (
	"fmt"
	"runtime"
	"sync"
)

type pair struct {
	left, right int
}

var sums [4]int
var total int

//go:noinline
func leaf(i int) int { return i * 2 }

//go:noinline
func work(p *pair) int {
	sum := p.left
	for i := 0; i < p.right; i++ {
		sum += leaf(i)
	}
	return sum
}

//go:noinline
func counted(sum int) {
	total = sum
	fmt.Println("total", total)
}

func main() {
	runtime.GOMAXPROCS(4)
	for g := range sums {
		var one sync.WaitGroup
		one.Add(1)
		go func(g int) {
			defer one.Done()
			runtime.LockOSThread()
			sums[g] = work(&pair{g, 20})
		}(g)
		one.Wait()
	}
	counted(sums[0] + sums[1] + sums[2] + sums[3])
}
