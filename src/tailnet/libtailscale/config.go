package main

import "C"

import (
	"os"
	"strings"
	"syscall"

	"tailscale.com/ipn"
	"tailscale.com/tsnet"
)

// tailscale_new allocates a node. Nothing happens before tailscale_start.
//
//export tailscale_new
func tailscale_new() C.int {
	forgetCredentials()
	n := &node{
		server:    &tsnet.Server{ControlURL: ipn.DefaultControlURL},
		started:   make(chan struct{}),
		splices:   map[*splice]struct{}{},
		listeners: map[listenerKey]*listener{},
	}
	n.whoIsClient = n.newWhoIsClient()
	n.server.UserLogf = n.log.debugf
	n.server.Logf = n.log.debugf
	return register(n)
}

// credentials are variables from which tsnet takes what its caller does not set. Which of them count is decided in the
// gateway's configuration: an OAuth client's secret among them must never go to a control server as a key.
var credentials = []string{
	"TS_AUTHKEY", "TS_AUTH_KEY", "TS_CLIENT_ID", "TS_CLIENT_SECRET", "TS_ID_TOKEN", "TS_AUDIENCE", "TSNET_FORCE_LOGIN",
}

// forgetCredentials empties them. An existing variable's value is replaced, and none is removed: C's list of variables
// keeps its shape for threads that read it meanwhile.
func forgetCredentials() {
	for _, name := range credentials {
		if os.Getenv(name) != "" {
			_ = os.Setenv(name, "")
		}
	}
}

// configure changes a node that has not been started; tsnet reads its fields only then.
func configure(handle C.int, change func(*node)) C.int {
	return withNode(handle, func(n *node) error {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.phase != phaseNew {
			return syscall.EBUSY
		}
		change(n)
		return nil
	})
}

//export tailscale_set_dir
func tailscale_set_dir(handle C.int, path *C.char) C.int {
	return configure(handle, func(n *node) { n.server.Dir = C.GoString(path) })
}

//export tailscale_set_hostname
func tailscale_set_hostname(handle C.int, name *C.char) C.int {
	return configure(handle, func(n *node) { n.server.Hostname = C.GoString(name) })
}

//export tailscale_set_authkey
func tailscale_set_authkey(handle C.int, key *C.char) C.int {
	return configure(handle, func(n *node) { n.server.AuthKey = C.GoString(key) })
}

// tailscale_set_control_url replaces Tailscale's own control server. It is set in tailscale_new already, because
// tsnet takes an empty one from the environment.
//
//export tailscale_set_control_url
func tailscale_set_control_url(handle C.int, url *C.char) C.int {
	return configure(handle, func(n *node) { n.server.ControlURL = C.GoString(url) })
}

// tailscale_set_tags takes the tags that the node asks for, separated by commas.
//
//export tailscale_set_tags
func tailscale_set_tags(handle C.int, tags *C.char) C.int {
	return configure(handle, func(n *node) { n.server.AdvertiseTags = strings.Split(C.GoString(tags), ",") })
}

//export tailscale_set_ephemeral
func tailscale_set_ephemeral(handle, ephemeral C.int) C.int {
	return configure(handle, func(n *node) { n.server.Ephemeral = ephemeral != 0 })
}

// tailscale_set_logfd names the pipe that takes the node's log, a line at a time. It should be non-blocking and may be
// closed after the call: the node uses a duplicate, which it closes when it has ended.
//
//export tailscale_set_logfd
func tailscale_set_logfd(handle, fd C.int) C.int {
	return withNode(handle, func(n *node) error { return n.log.use(int(fd)) })
}
