// Command tailclaw-test-control is Tailscale's own test control server (tailscale.com testcontrol) with a relay and
// STUN, all on loopback, for what headscale cannot do: certificate domains, Funnel, interactive login, device approval
// and expiry at a chosen time. Tests steer it through a second port (admin.go).
//
// It prints one line of JSON when it serves: {"control":"http://…","admin":"http://…"}.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"tailscale.com/tailcfg"
	"tailscale.com/tstest/integration"
	"tailscale.com/tstest/integration/testcontrol"
	"tailscale.com/types/key"
	"tailscale.com/types/logger"
)

var (
	domain      = flag.String("domain", "tail-test.ts.net", "the MagicDNS domain; empty: neither it nor certificates")
	funnel      = flag.Bool("funnel", true, "nodes may use Funnel on 443, 8443 and 10000")
	authKey     = flag.String("auth-key", "", "the one key that a node must join with; empty: any, or none")
	interactive = flag.Bool("interactive", false, "a person has to open a login link")
	approval    = flag.Bool("approval", false, "an administrator has to approve each machine")
	tags        = flag.String("tags", "tag:gateway,tag:camera", "the tags that nodes may ask for")
	sameUser    = flag.Bool("same-user", false, "all nodes belong to one person")
	dns         = flag.String("dns", "", "a pebble-challtestsrv whose DNS takes the texts by which nodes prove their names")
	verbose     = flag.Bool("v", false, "the control server's log goes to stderr")
)

func main() {
	flag.Parse()
	log.SetFlags(0)
	logf := logger.Discard
	if *verbose {
		logf = log.Printf
	}
	serving, steering := listen(), listen()
	server := newServer(logf, serving.Addr())
	admin := &admin{server: server, texts: map[string][]string{}}
	server.OnSetDNS = admin.setDNS
	go func() { log.Fatal(http.Serve(steering, admin.routes())) }()
	addresses, err := json.Marshal(map[string]string{
		"control": server.BaseURL(), "admin": "http://" + steering.Addr().String(),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(os.Stdout, string(addresses))
	log.Fatal(http.Serve(serving, server))
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func newServer(logf logger.Logf, address net.Addr) *testcontrol.Server {
	server := &testcontrol.Server{
		Logf:               logf,
		DERPMap:            integration.RunDERPAndSTUN(outsideTests{}, logf, "127.0.0.1"),
		ExplicitBaseURL:    "http://" + address.String(),
		RequireAuth:        *interactive,
		RequireAuthKey:     *authKey,
		RequireMachineAuth: *approval,
		AllNodesSameUser:   *sameUser,
		TagOwners:          map[string][]string{},
		AllOnline:          true,
	}
	if *domain != "" {
		server.MagicDNSDomain = *domain
		server.DNSConfig = &tailcfg.DNSConfig{Proxied: true, Domains: []string{*domain}}
	}
	for _, tag := range strings.Split(*tags, ",") {
		server.TagOwners[tag] = []string{tag}
	}
	server.HoldMapRequest = func(request *tailcfg.MapRequest) func() {
		giveAttributes(server, request.NodeKey)
		return nil
	}
	return server
}

// told are the nodes that know their attributes.
var told sync.Map

// giveAttributes gives a node, once, what the policy file's nodeAttrs and the tailnet's settings give everyone:
// testcontrol tells a node of its own only what was set for it alone.
func giveAttributes(server *testcontrol.Server, node key.NodePublic) {
	if _, known := told.LoadOrStore(node, true); known {
		return
	}
	attributes := tailcfg.NodeCapMap{tailcfg.CapabilityHTTPS: nil}
	if *funnel {
		attributes[tailcfg.NodeAttrFunnel] = nil
		attributes[tailcfg.CapabilityFunnelPorts+"?ports=443,8443,10000"] = nil
	}
	server.SetNodeCapMap(node, attributes)
}

// outsideTests satisfies testing.TB where no test runs: a nil *testing.T with the methods that are used replaced.
type outsideTests struct{ *testing.T }

func (outsideTests) Cleanup(func())                {}
func (outsideTests) Helper()                       {}
func (outsideTests) Name() string                  { return "tailclaw-test-control" }
func (outsideTests) Fatal(words ...any)            { log.Fatal(words...) }
func (outsideTests) Fatalf(f string, words ...any) { log.Fatalf(f, words...) }
func (outsideTests) Error(words ...any)            { log.Fatal(words...) }
func (outsideTests) Errorf(f string, words ...any) { log.Fatalf(f, words...) }
func (outsideTests) Log(...any)                    {}
func (outsideTests) Logf(string, ...any)           {}
