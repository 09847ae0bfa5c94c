// Command client is what bench runs, once outside and once inside: it repeats
// one thing at the Secret Service it finds in its environment and prints the
// median in nanoseconds.
//
//	client N tool ATTR VALUE...        start secret-tool and look up
//	client N lookup ATTR VALUE...      search and get the secret, one connection
//	client N search ATTR VALUE...      search alone
//	client N ping                      an unforwarded call
//	client N pair A B                  search service A and service B in turn; two medians
//	client N rate ATTR VALUE...        100 connections looking up, N times each; time for one
//	client N hold                      opens N connections, prints "ready", waits for the end of input
package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	name = "org.freedesktop.secrets"
	path = "/org/freedesktop/secrets"
	face = "org.freedesktop.Secret."
)

func main() {
	n, err := strconv.Atoi(os.Args[1])
	if err != nil {
		panic(err)
	}
	args := os.Args[3:]
	switch os.Args[2] {
	case "tool":
		fmt.Println(median(n, func() { tool(args) }))
	case "lookup":
		c := dial()
		fmt.Println(median(n, func() { c.lookup(args) }))
	case "search":
		c := dial()
		fmt.Println(median(n, func() { c.search(args) }))
	case "ping":
		c := dial()
		fmt.Println(median(n, func() { must(c.Object(name, path).Call("org.freedesktop.DBus.Peer.Ping", 0).Err) }))
	case "pair":
		c := dial()
		var a, b []time.Duration
		for range n {
			a = append(a, took(func() { c.search([]string{"service", args[0], "username", args[1]}) }))
			b = append(b, took(func() { c.search([]string{"service", args[2], "username", args[3]}) }))
		}
		fmt.Println(middle(a), middle(b))
	case "rate":
		rate(n, args)
	case "hold":
		for range n {
			dial()
		}
		fmt.Println("ready")
		if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
			panic(err)
		}
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func took(f func()) time.Duration {
	begun := time.Now()
	f()
	return time.Since(begun)
}

func median(n int, f func()) int64 {
	f() // warm
	all := make([]time.Duration, n)
	for i := range all {
		all[i] = took(f)
	}
	return middle(all)
}

func middle(all []time.Duration) int64 {
	slices.Sort(all)
	return int64(all[len(all)/2])
}

func tool(args []string) {
	if out, err := exec.Command("secret-tool", append([]string{"lookup"}, args...)...).Output(); err != nil || len(out) == 0 {
		panic(fmt.Sprint("secret-tool: ", err))
	}
}

type client struct {
	*dbus.Conn
	session dbus.ObjectPath
}

func dial() *client {
	conn, err := dbus.Connect(os.Getenv("DBUS_SESSION_BUS_ADDRESS"))
	must(err)
	c := &client{Conn: conn}
	var out dbus.Variant
	must(conn.Object(name, path).Call(face+"Service.OpenSession", 0, "plain", dbus.MakeVariant("")).Store(&out, &c.session))
	return c
}

func (c *client) search(args []string) []dbus.ObjectPath {
	attrs := make(map[string]string, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		attrs[args[i]] = args[i+1]
	}
	var unlocked, locked []dbus.ObjectPath
	must(c.Object(name, path).Call(face+"Service.SearchItems", 0, attrs).Store(&unlocked, &locked))
	return unlocked
}

func (c *client) lookup(args []string) {
	found := c.search(args)
	if len(found) == 0 {
		panic("the item is not there")
	}
	var secret struct {
		Session     dbus.ObjectPath
		Parameters  []byte
		Value       []byte
		ContentType string
	}
	must(c.Object(name, found[0]).Call(face+"Item.GetSecret", 0, c.session).Store(&secret))
}

func rate(n int, args []string) {
	const connections = 100
	clients := make([]*client, connections)
	for i := range clients {
		clients[i] = dial()
	}
	begun := time.Now()
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			for range n {
				c.lookup(args)
			}
		})
	}
	wg.Wait()
	fmt.Println(int64(time.Since(begun)) / int64(n*connections))
}
