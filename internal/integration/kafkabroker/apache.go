package kafkabroker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"
)

// Apache is a cluster of Apache Kafka. Every broker is a controller too.
type Apache struct {
	trouble
	dir, jars string
	nodes     []*node
	certs     *Certs
	client    *kgo.Client
	admin     *kadm.Client
}

// startWithin is how long brokers may take to serve: they do in some ten seconds, on a machine that has
// nothing else to do.
const startWithin = 4 * time.Minute

// StartApache starts brokers with the jars of FetchJars; their data lie in a temporary folder.
func StartApache(ctx context.Context, jars string, brokers int) (*Apache, error) {
	dir, err := os.MkdirTemp("", "kafka-")
	if err != nil {
		return nil, err
	}
	a := &Apache{dir: dir, jars: jars}
	if err := a.start(ctx, brokers); err != nil {
		for _, n := range a.nodes {
			err = fmt.Errorf("%w\nbroker %d: %s", err, n.id, n.logs())
		}
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Apache) start(ctx context.Context, brokers int) (err error) {
	if a.certs, err = newCerts(); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "log4j2.properties"), logConfig, 0o600); err != nil {
		return err
	}
	if err := a.layOut(brokers); err != nil {
		return err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	cluster := base64.RawURLEncoding.EncodeToString(id[:])
	all, fctx := errgroup.WithContext(ctx)
	for _, n := range a.nodes {
		all.Go(func() error { return n.format(fctx, cluster) })
	}
	if err := all.Wait(); err != nil {
		return err
	}
	for _, n := range a.nodes {
		if err := n.start(); err != nil {
			return err
		}
	}
	if a.client, err = kgo.NewClient(kgo.SeedBrokers(a.Addrs()...), kgo.MetadataMinAge(100*time.Millisecond)); err != nil {
		return err
	}
	a.admin = kadm.NewClient(a.client)
	return a.healthy(ctx)
}

// layOut gives every broker its ports. They are free now, and stay so while a broker is down: no
// outgoing connection, of which a storm makes many, is given one of them.
func (a *Apache) layOut(brokers int) error {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for id := 1; id <= brokers; id++ {
		n := &node{of: a, id: id, dir: filepath.Join(a.dir, fmt.Sprintf("broker-%d", id)), addrs: map[string]string{}}
		for _, name := range listeners {
			l, err := listenLow()
			if err != nil {
				return err
			}
			held = append(held, l)
			n.addrs[name] = l.Addr().String()
		}
		l, err := listenLow()
		if err != nil {
			return err
		}
		n.flakyAddr = l.Addr().String()
		n.proxy = startProxy(&a.trouble, l, n.addrs[flaky])
		a.nodes = append(a.nodes, n)
	}
	return nil
}

// listenLow listens on a port below the range from which systems take ports for outgoing
// connections: it is still free when a broker comes back.
func listenLow() (l net.Listener, err error) {
	const first, span = 18000, 14000
	for range 100 {
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+mathrand.IntN(span))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

func (a *Apache) voters() string {
	var list []string
	for _, n := range a.nodes {
		list = append(list, fmt.Sprintf("%d@%s", n.id, n.addrs[controller]))
	}
	return strings.Join(list, ",")
}

func (a *Apache) of(listener string) []string {
	var list []string
	for _, n := range a.nodes {
		list = append(list, n.addrs[listener])
	}
	return list
}

func (a *Apache) Kind() string        { return "apache" }
func (a *Apache) Addrs() []string     { return a.of(plain) }
func (a *Apache) Admin() *kadm.Client { return a.admin }
func (a *Apache) Certs() *Certs       { return a.certs }

// LoginAddrs demand User and Password over TLS, MutualAddrs the client's certificate.
func (a *Apache) LoginAddrs() []string  { return a.of(login) }
func (a *Apache) MutualAddrs() []string { return a.of(mutual) }

func (a *Apache) FlakyAddrs() []string {
	var list []string
	for _, n := range a.nodes {
		list = append(list, n.flakyAddr)
	}
	return list
}

// Close ends the brokers and removes their data.
func (a *Apache) Close() {
	if a.client != nil {
		a.client.Close()
	}
	for _, n := range a.nodes {
		_ = n.stop(true) // its data go anyway
		n.proxy.close()
	}
	_ = os.RemoveAll(a.dir)
}
