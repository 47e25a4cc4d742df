package main

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// bufferSize is what one read moves at most: what Rust writes at a time, four full TLS records with their heads (65,624
// bytes), and not the odd end of it in a read of its own. Buffers are borrowed for a read and its write, never for a wait.
const bufferSize = 72 << 10

// lingerLimit is how long a connection that Rust has closed waits for its peer's close.
const lingerLimit = 5 * time.Second

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// splice joins a tailnet connection and our end of the pair whose other end Rust holds. One goroutine for each
// direction; no thread, and no buffer while it waits.
type splice struct {
	node *node
	// tail is a *gonet.TCPConn, or a pipe to the LocalAPI.
	tail net.Conn
	app  *os.File
	raw  syscall.RawConn
	// directions still running.
	directions atomic.Int32
	// peerEnded: a FIN or a reset has come, so the netstack need not wait for one after our close.
	peerEnded atomic.Bool
	end       sync.Once
}

func (n *node) newSplice(tail net.Conn) (s *splice, theirs int, err error) {
	app, theirs, err := socketPair(unix.SOCK_STREAM)
	if err != nil {
		return nil, -1, err
	}
	raw, err := app.SyscallConn()
	if err == nil {
		s = &splice{node: n, tail: tail, app: app, raw: raw}
		err = n.addSplice(s)
	}
	if err != nil {
		_ = app.Close()
		_ = unix.Close(theirs)
		return nil, -1, err
	}
	return s, theirs, nil
}

func (n *node) addSplice(s *splice) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.phase != phaseStarted {
		return errNotRunning
	}
	n.splices[s] = struct{}{}
	n.endpoints.Add(1)
	return nil
}

func (s *splice) start() {
	s.directions.Store(2)
	go s.run(s.toApp)
	go s.run(s.toTail)
}

// run ends the whole connection when a direction fails, or when both are through.
func (s *splice) run(copyDirection func() error) {
	err := copyDirection()
	if left := s.directions.Add(-1); err != nil || left == 0 {
		s.cut()
	}
}

// cut closes both sides, which wakes the goroutine of the other direction. It may be called more than once.
func (s *splice) cut() { s.end.Do(s.close) }

func (s *splice) close() {
	_ = s.tail.Close()
	_ = s.app.Close()
	n := s.node
	n.mu.Lock()
	delete(n.splices, s)
	n.mu.Unlock()
	if s.peerEnded.Load() {
		n.endpoints.Add(-1)
	} else {
		time.AfterFunc(afterlife, func() { n.endpoints.Add(-1) })
	}
}

// toApp: the peer's FIN becomes shutdown(SHUT_WR), anything else that ends the stream cuts it. The buffer goes back
// before the next wait.
func (s *splice) toApp() error {
	for {
		s.awaitTail()
		if err := s.moveToApp(); err == io.EOF {
			return s.shutdownApp()
		} else if err != nil {
			return err
		}
	}
}

// awaitTail returns when a read will not wait. gonet has no call for that, but its Read waits before it looks at the
// buffer's size: an empty one costs nothing to hold. What it returns does not matter, the read that follows tells.
func (s *splice) awaitTail() {
	if tail, ok := s.tail.(*gonet.TCPConn); ok {
		_, _ = tail.Read(nil)
	}
}

func (s *splice) moveToApp() error {
	buffer := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buffer)
	for {
		count, err := s.tail.Read(buffer[:])
		if count > 0 {
			if _, err := s.app.Write(buffer[:count]); err != nil {
				return err
			}
		}
		if err != nil {
			s.peerEnded.Store(true)
			return err
		}
		if count < len(buffer) {
			return nil
		}
	}
}

func (s *splice) shutdownApp() error {
	var shutdownError error
	if err := s.raw.Control(func(fd uintptr) { shutdownError = unix.Shutdown(int(fd), unix.SHUT_WR) }); err != nil {
		return err
	}
	return shutdownError
}

// toTail: shutdown(SHUT_WR) by Rust becomes a FIN. Only the close of its descriptor ends the other direction too.
func (s *splice) toTail() error {
	for {
		if err := s.moveToTail(); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	if half, ok := s.tail.(interface{ CloseWrite() error }); ok {
		if err := half.CloseWrite(); err != nil {
			return err
		}
	}
	if err := s.awaitHangUp(); err != nil {
		return err
	}
	// A peer that closes in its turn ends the other direction. One that does not is not waited for: a close at once would
	// be a reset if it still sends, and could overtake what it was sent last.
	time.AfterFunc(lingerLimit, s.cut)
	return nil
}

// moveToTail reads inside the poller's callback, so that a buffer is held only when there is something to read.
func (s *splice) moveToTail() error {
	var buffer *[bufferSize]byte
	var count int
	var readError error
	err := s.raw.Read(func(fd uintptr) bool {
		buffer = buffers.Get().(*[bufferSize]byte)
		readError = retryInterrupted(func() (err error) {
			count, err = unix.Read(int(fd), buffer[:])
			return err
		})
		if readError != unix.EAGAIN {
			return true
		}
		buffers.Put(buffer)
		buffer = nil
		return false
	})
	if buffer != nil {
		defer buffers.Put(buffer)
	}
	switch {
	case err != nil:
		return err
	case readError != nil:
		return readError
	case count == 0:
		return io.EOF
	}
	_, err = s.tail.Write(buffer[:count])
	return err
}

// awaitHangUp tells a close from a half-close after end of file: only a close raises POLLHUP, now or later. Once our
// own side has shut down as well, POLLHUP comes of itself, and the connection is over anyway.
func (s *splice) awaitHangUp() error {
	return s.raw.Read(func(fd uintptr) bool {
		events := []unix.PollFd{{Fd: int32(fd)}}
		_ = retryInterrupted(func() error { _, err := unix.Poll(events, 0); return err })
		return events[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
	})
}
