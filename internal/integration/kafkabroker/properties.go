package kafkabroker

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Users of the listeners that demand a name.
const (
	User     = "voice"
	Password = "canary-secret-of-the-broker"
)

// The listeners of each broker.
const (
	plain      = "PLAIN"  // tests, and the brokers among themselves
	flaky      = "FLAKY"  // advertised by the address of a proxy
	mutual     = "MUTUAL" // TLS with certificates on both sides
	login      = "LOGIN"  // TLS and SASL: PLAIN or SCRAM-SHA-256
	controller = "CONTROLLER"
)

var listeners = []string{plain, flaky, mutual, login, controller}

// properties is a broker's configuration. Groups move fast, so that tests of them do.
func (n *node) properties() []byte {
	p := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        fmt.Sprint(n.id),
		"controller.quorum.voters":       n.of.voters(),
		"controller.listener.names":      controller,
		"inter.broker.listener.name":     plain,
		"listener.security.protocol.map": "PLAIN:PLAINTEXT,FLAKY:PLAINTEXT,CONTROLLER:PLAINTEXT,MUTUAL:SSL,LOGIN:SASL_SSL",
		"log.dirs":                       n.dir + "/data",

		"num.network.threads":                      "2",
		"num.io.threads":                           "2",
		"num.replica.fetchers":                     "1",
		"default.replication.factor":               fmt.Sprint(len(n.of.nodes)),
		"min.insync.replicas":                      fmt.Sprint((len(n.of.nodes) + 1) / 2),
		"offsets.topic.replication.factor":         fmt.Sprint(len(n.of.nodes)),
		"offsets.topic.num.partitions":             "6",
		"transaction.state.log.replication.factor": "1",
		"transaction.state.log.min.isr":            "1",
		"auto.create.topics.enable":                "false",
		"message.max.bytes":                        "20971520",
		"replica.fetch.max.bytes":                  "25000000",
		"replica.lag.time.max.ms":                  "10000",
		"broker.session.timeout.ms":                "4000", // a killed broker is replaced before groups' sessions end
		"broker.heartbeat.interval.ms":             "500",
		"log.cleaner.enable":                       "false",

		"group.initial.rebalance.delay.ms":         "0",
		"group.min.session.timeout.ms":             "1000",
		"group.consumer.min.session.timeout.ms":    "1000",
		"group.consumer.session.timeout.ms":        "15000",
		"group.consumer.min.heartbeat.interval.ms": "200",
		"group.consumer.heartbeat.interval.ms":     "500",

		"ssl.keystore.type":                                  "PEM",
		"ssl.keystore.certificate.chain":                     oneLine(n.of.certs.ServerCert),
		"ssl.keystore.key":                                   oneLine(n.of.certs.ServerKey),
		"ssl.truststore.type":                                "PEM",
		"ssl.truststore.certificates":                        oneLine(n.of.certs.CA),
		"listener.name.mutual.ssl.client.auth":               "required",
		"listener.name.login.ssl.client.auth":                "none",
		"sasl.enabled.mechanisms":                            "PLAIN,SCRAM-SHA-256",
		"listener.name.login.plain.sasl.jaas.config":         fmt.Sprintf(`org.apache.kafka.common.security.plain.PlainLoginModule required user_%s="%s";`, User, Password),
		"listener.name.login.scram-sha-256.sasl.jaas.config": `org.apache.kafka.common.security.scram.ScramLoginModule required;`,
	}
	var own, told []string
	for _, name := range listeners {
		own = append(own, name+"://"+n.addrs[name])
		switch name {
		case controller:
		case flaky:
			told = append(told, name+"://"+n.flakyAddr)
		default:
			told = append(told, name+"://"+n.addrs[name])
		}
	}
	p["listeners"] = strings.Join(own, ",")
	p["advertised.listeners"] = strings.Join(told, ",")

	var out strings.Builder
	for _, key := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&out, "%s=%s\n", key, p[key])
	}
	return []byte(out.String())
}

// oneLine is PEM as a property's value.
func oneLine(pem []byte) string {
	return strings.ReplaceAll(strings.TrimSpace(string(pem)), "\n", `\n`)
}
