package act

import (
	"errors"
	"net"
	"time"
)

// patience is how long an answer may take. Those who may not ask hear so at once.
const patience = 20 * time.Second

func udpActs() map[string]act {
	return map[string]act{
		"udpconnect": func(a []string) (string, error) {
			c, err := net.Dial("udp", a[0])
			if err != nil {
				return "", err
			}
			return "", c.Close()
		},
		"udpask": func(a []string) (string, error) {
			c, err := net.Dial("udp", a[0])
			if err != nil {
				return "", err
			}
			said, err := ask(c)
			return said, errors.Join(err, c.Close())
		},
		"ownudp": func([]string) (string, error) {
			l, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				return "", err
			}
			go answerDatagrams(l)
			c, err := net.Dial("udp", l.LocalAddr().String())
			if err != nil {
				return "", errors.Join(err, l.Close())
			}
			said, err := ask(c)
			return said, errors.Join(err, c.Close(), l.Close())
		},
	}
}

func ask(c net.Conn) (string, error) {
	if _, err := c.Write([]byte("?")); err != nil {
		return "", err
	}
	var b [1]byte
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	n, err := c.Read(b[:])
	return string(b[:n]), err
}

// answerDatagrams says O to everybody until l is closed.
func answerDatagrams(l net.PacketConn) {
	var b [16]byte
	for {
		_, from, err := l.ReadFrom(b[:])
		if err == nil {
			_, err = l.WriteTo([]byte("O"), from)
		}
		if err != nil {
			return
		}
	}
}
