package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// serve runs until the process is ended.
func serve(n *node) (result, error) {
	services := map[string]func(net.Conn){
		":7": func(connection net.Conn) { _, _ = io.Copy(connection, connection) },
		":9": func(connection net.Conn) {
			count, _ := io.Copy(io.Discard, connection)
			fmt.Fprintln(connection, count)
		},
		":19": func(connection net.Conn) {
			var size uint64
			if binary.Read(connection, binary.BigEndian, &size) == nil {
				_, _ = io.CopyBuffer(connection, io.LimitReader(zeros{}, int64(size)), make([]byte, 64<<10))
			}
		},
	}
	for address, service := range services {
		listener, err := n.server.Listen("tcp", address)
		if err != nil {
			return nil, err
		}
		go acceptAll(listener, service)
	}
	print(result{"serving": n.name})
	select {}
}

func acceptAll(listener net.Listener, service func(net.Conn)) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer connection.Close()
			service(connection)
		}()
	}
}
