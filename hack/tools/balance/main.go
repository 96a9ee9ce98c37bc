// balance has the parts of the load-balancing benchmark (hack/bench/balance.py): a backend with faults on demand,
// an open-loop load, and a reverse proxy to compare with.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

// Headers between load and backend: a request brings the work it needs, so that each balancer is given the same
// work, and the answer tells how long the backend had it.
const (
	workHeader  = "X-Work-Us"
	spentHeader = "X-Spent-Us"
)

// headerTimeout bounds how long a client of any server here may take to send a request's headers.
const headerTimeout = 10 * time.Second

var commands = map[string]func(arguments []string) error{
	"backend":  runBackend,
	"load":     runLoad,
	"peakewma": runPeakEwma,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: balance backend|load|peakewma [flags]; -h after one of them lists its flags")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "balance %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// serve answers on both addresses until one of them fails.
func serve(address string, handler http.Handler, controlAddress string, control http.Handler) error {
	failed := make(chan error, 2)
	for at, handled := range map[string]http.Handler{address: handler, controlAddress: control} {
		server := &http.Server{Addr: at, Handler: handled, ReadHeaderTimeout: headerTimeout}
		go func() { failed <- server.ListenAndServe() }()
	}
	return <-failed
}
