package main

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// connectFrame is a client's whole part in the gateway's handshake: on the tailnet it needs no secret and no key.
const connectFrame = `{"type":"req","id":"1","method":"connect","params":{"minProtocol":4,"maxProtocol":4,` +
	`"client":{"id":"cli","version":"bench","platform":"linux","mode":"cli"},"role":"operator",` +
	`"scopes":["operator.read"]}}`

// sockets holds WebSocket connections that the gateway has let in, and that say nothing afterwards.
func sockets(nodes []*node, target string, count int, hold time.Duration) (result, error) {
	begun := time.Now()
	for index := range count {
		connection, err := nodes[index%len(nodes)].dial(target)
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", index, err)
		}
		defer connection.Close()
		if err := join(connection, target); err != nil {
			return nil, fmt.Errorf("connection %d: %w", index, err)
		}
	}
	print(result{"idle": count, "seconds": time.Since(begun).Seconds()})
	time.Sleep(hold)
	return result{"connections": count}, nil
}

func join(connection net.Conn, host string) error {
	request := "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := fmt.Fprintf(connection, request, host); err != nil {
		return err
	}
	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("upgrade: %v, %w", response, err)
	}
	if _, err := connection.Write(clientFrame(connectFrame)); err != nil {
		return err
	}
	for {
		text, err := serverFrame(reader)
		if err != nil {
			return err
		}
		if strings.HasPrefix(text, `{"type":"res"`) {
			if !strings.Contains(text, `"ok":true`) {
				return fmt.Errorf("refused: %s", text)
			}
			return nil
		}
	}
}

// clientFrame is a text frame under a mask of zeros, which leaves the text as it is.
func clientFrame(text string) []byte {
	frame := binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(text)))
	return append(append(frame, 0, 0, 0, 0), text...)
}

func serverFrame(reader *bufio.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(reader, head[:]); err != nil {
		return "", err
	}
	size := uint64(head[1])
	if size == 126 {
		var short uint16
		if err := binary.Read(reader, binary.BigEndian, &short); err != nil {
			return "", err
		}
		size = uint64(short)
	}
	payload := make([]byte, size)
	_, err := io.ReadFull(reader, payload)
	return string(payload), err
}
