// Many goroutines over several kernel threads; the sum says whether all ran.
package main

import (
	"fmt"
	"runtime"
	"sync"
)

func square(i int) int { return i * i }

func main() {
	runtime.GOMAXPROCS(4)
	var all sync.WaitGroup
	sums := make([]int, 16)
	for g := range sums {
		all.Add(1)
		go func(g int) {
			defer all.Done()
			runtime.LockOSThread()
			for i := 0; i < 1000; i++ {
				sums[g] += square(i)
			}
		}(g)
	}
	all.Wait()
	total := 0
	for _, s := range sums {
		total += s
	}
	fmt.Println("total", total)
}
