// kindcheck reads kind cluster configurations the way `kind create cluster --config` does, and exits 1
// with kind's own message when kind would refuse one. It needs no Docker.
package main

import (
	"fmt"
	"os"

	"sigs.k8s.io/kind/pkg/internal/apis/config/encoding"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: kindcheck FILE...")
		os.Exit(2)
	}
	refused := false
	for _, path := range os.Args[1:] {
		if err := check(path); err != nil {
			fmt.Fprintf(os.Stderr, "%s: kind would refuse this file: %v\n", path, err)
			refused = true
		}
	}
	if refused {
		os.Exit(1)
	}
}

// check decodes strictly (an unknown field is an error), sets kind's defaults and validates.
func check(path string) error {
	// An empty path would mean "kind's default configuration" to Load.
	if path == "" {
		return fmt.Errorf("the file name is empty")
	}
	cluster, err := encoding.Load(path)
	if err != nil {
		return err
	}
	// `kind create cluster` fills an absent name in just before it validates.
	if cluster.Name == "" {
		cluster.Name = "kind"
	}
	return cluster.Validate()
}
