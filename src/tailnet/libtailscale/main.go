// Command libtailscale is tailclaw's tailnet node as a C archive (-buildmode=c-archive): the C API of
// github.com/tailscale/libtailscale, as far as tailclaw uses it, over tailscale.com/tsnet. It differs where the
// original is faulty:
//
//   - an accepted connection's descriptor, its peer's address and the peer's WhoIs travel in one message, so no
//     look-up by descriptor number can answer for somebody else;
//   - descriptors are close-on-exec, non-blocking and waited for by Go's poller: no thread is parked for each;
//   - either direction of a connection ends on its own, and closing the descriptor closes the tailnet side;
//   - closing the node is bounded in time and works in every state, during a hanging start too;
//   - a panic becomes an error code at the C boundary.
//
// The only caller is tailclaw's src/tailnet/sys.rs, which declares the exported functions again. They answer 0, an
// errno, or -1 with a text that tailscale_errmsg gives.
package main

import (
	"os"
	"runtime/debug"

	"tailscale.com/envknob"
)

// defaultMemoryLimit bounds Go's heap: without it a bulk transfer grows the process past 500 MB. Measured, 256 MiB
// costs no throughput and 160 MiB does.
const defaultMemoryLimit = 256 << 20

func init() {
	// Belt and braces with the build tag ts_omit_logtail: nothing is uploaded, whatever the environment says.
	envknob.SetNoLogsNoSupport()
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(defaultMemoryLimit)
	}
}

// main is never called in a C archive.
func main() {}
