// Command leakcheck lists what an engine has on the host besides its images: processes, mounts, network namespaces, control
// groups, files, rows, locks and temporary files. It exits with 1 if there is anything, so that after the last container has
// been removed it says whether everything is as it was before.
//
//	go run ./test/leakcheck -root /var/lib/berth -runroot /run/berth
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/berth-engine/berth/test/leak"
)

func main() {
	var s leak.Scope
	flag.StringVar(&s.Root, "root", "/var/lib/berth", "the engine's state directory")
	flag.StringVar(&s.RunRoot, "runroot", "/run/berth", "the engine's run directory")
	flag.StringVar(&s.Temp, "temp", "", "the engine's directory for temporary files")
	patience := flag.Duration("wait", 2*time.Second, "how long what is ending may take")
	flag.Parse()
	s.IDs = flag.Args()

	leaks, err := leak.Settle(s, leak.Snapshot{}, *patience)
	if err != nil {
		fmt.Fprintln(os.Stderr, "leakcheck:", err)
		os.Exit(2)
	}
	if len(leaks) > 0 {
		fmt.Println(leak.List(leaks))
		os.Exit(1)
	}
}
