package main

import (
	"bytes"
	"fmt"
	"log"
	"sync"

	"golang.org/x/sys/unix"
)

// maxLogLine keeps a line within PIPE_BUF, so that the kernel writes it whole or not at all.
const maxLogLine = 4000

// Every line tells its level by its first bytes.
const (
	levelWarn  = "W "
	levelDebug = "D "
)

// logSink writes to Rust's pipe. A full pipe loses the line: the node must never wait for its log.
type logSink struct {
	mu sync.Mutex
	// fd is the sink's own duplicate, so that nobody else's descriptor is ever written to.
	fd   int
	open bool
}

func (s *logSink) use(fd int) error {
	duplicate, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("log descriptor: %w", err)
	}
	s.close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fd, s.open = duplicate, true
	// Some of the node's packages use Go's standard logger, which would end up on stderr.
	log.SetFlags(0)
	log.SetOutput(s)
	return nil
}

// close lets Rust read the end of the log. Later lines are dropped.
func (s *logSink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		_ = unix.Close(s.fd)
		s.open = false
	}
}

// warnf is for this module's own lines: something was lost.
func (s *logSink) warnf(format string, arguments ...any) {
	s.write(fmt.Appendf([]byte(levelWarn), format, arguments...))
}

// debugf has tsnet's logger type.
func (s *logSink) debugf(format string, arguments ...any) {
	s.write(fmt.Appendf([]byte(levelDebug), format, arguments...))
}

// Write serves the standard logger.
func (s *logSink) Write(line []byte) (int, error) {
	s.write(append([]byte(levelDebug), line...))
	return len(line), nil
}

func (s *logSink) write(line []byte) {
	line = bytes.TrimRight(line, "\n")
	line = line[:min(len(line), maxLogLine)]
	for at := bytes.IndexByte(line, '\n'); at >= 0; at = bytes.IndexByte(line, '\n') {
		line[at] = ' ' // one message is one line
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open {
		_, _ = unix.Write(s.fd, append(line, '\n'))
	}
}
