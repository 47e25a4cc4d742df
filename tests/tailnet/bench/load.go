package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const chunk = 256 << 10

func idle(nodes []*node, target string, count int, hold time.Duration) (result, error) {
	begun := time.Now()
	for index := range count {
		connection, err := nodes[index%len(nodes)].dial(target)
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", index, err)
		}
		if err := connection.SetDeadline(time.Time{}); err != nil {
			return nil, err
		}
		defer connection.Close()
	}
	opened := time.Since(begun)
	print(result{"idle": count, "seconds": opened.Seconds()})
	time.Sleep(hold)
	return result{"connections": count, "openSeconds": opened.Seconds()}, nil
}

// sink wants to hear how many bytes arrived, after our FIN.
func sink(n *node, host string, size int) (result, error) {
	begun := time.Now()
	return throughput(size, begun, n.with(host+":9", func(connection net.Conn) error {
		if _, err := io.CopyBuffer(connection, io.LimitReader(zeros{}, int64(size)), make([]byte, chunk)); err != nil {
			return err
		}
		if err := closeWrite(connection); err != nil {
			return err
		}
		answer, err := io.ReadAll(connection)
		if text := strings.TrimSpace(string(answer)); err == nil && text != fmt.Sprint(size) {
			return fmt.Errorf("%d bytes sent, %q arrived", size, text)
		}
		return err
	}))
}

func source(n *node, host string, size int) (result, error) {
	begun := time.Now()
	return throughput(size, begun, n.with(host+":19", func(connection net.Conn) error {
		if err := binary.Write(connection, binary.BigEndian, uint64(size)); err != nil {
			return err
		}
		received, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{connection}, make([]byte, chunk))
		if err == nil && received != int64(size) {
			return fmt.Errorf("%d bytes of %d", received, size)
		}
		return err
	}))
}

func throughput(size int, begun time.Time, err error) (result, error) {
	seconds := time.Since(begun).Seconds()
	return result{"bytes": size, "seconds": seconds, "mbPerSecond": float64(size) / 1e6 / seconds}, err
}

// ping times one byte there and back.
func ping(n *node, host string, count int) (result, error) {
	durations := make([]time.Duration, 0, count)
	err := n.with(host+":7", func(connection net.Conn) error {
		one := []byte{0}
		for range count {
			begun := time.Now()
			if _, err := connection.Write(one); err != nil {
				return err
			}
			if _, err := io.ReadFull(connection, one); err != nil {
				return err
			}
			durations = append(durations, time.Since(begun))
		}
		return nil
	})
	return quantiles(durations), err
}

// halfClose ends either direction first and uses the other one afterwards.
func halfClose(n *node, host string) (result, error) {
	const size = 3 << 20
	if _, err := sink(n, host, size); err != nil {
		return nil, fmt.Errorf("our end first: %w", err)
	}
	err := n.with(host+":14", func(connection net.Conn) error {
		if greeting, err := io.ReadAll(connection); err != nil || string(greeting) != "bye\n" {
			return fmt.Errorf("their end first: %q, %w", greeting, err)
		}
		_, err := connection.Write(make([]byte, size))
		return err
	})
	return result{"afterTheirEnd": size}, err
}

type zeros struct{}

func (zeros) Read(buffer []byte) (int, error) {
	clear(buffer)
	return len(buffer), nil
}
