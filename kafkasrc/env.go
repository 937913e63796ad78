package kafkasrc

import (
	"errors"
	"fmt"
	"strings"
)

// Environment variables read by ConfigFromEnv.
const (
	envBrokers = "KAFKA_BOOTSTRAP_SERVERS"
	envTopic   = "AGENT_OUTBOUND_REQUEST_TOPIC"
	envGroup   = "AGENT_OUTBOUND_REQUEST_GROUP"

	defaultBroker = "localhost:9092"
)

// ConfigFromEnv reads KAFKA_BOOTSTRAP_SERVERS (a list with commas, default
// localhost:9092), AGENT_OUTBOUND_REQUEST_TOPIC and AGENT_OUTBOUND_REQUEST_GROUP;
// pass os.Getenv. Its error names every variable that is wrong. The rest of the Config is the host's to set.
func ConfigFromEnv(getenv func(string) string) (Config, error) {
	cfg := Config{Topic: getenv(envTopic), Group: getenv(envGroup)}
	setDefault(&cfg.Topic, DefaultTopic)
	setDefault(&cfg.Group, DefaultGroup)

	list := getenv(envBrokers)
	setDefault(&list, defaultBroker)
	for b := range strings.SplitSeq(list, ",") {
		cfg.Brokers = append(cfg.Brokers, strings.TrimSpace(b))
	}
	var wrong []error
	if err := checkBrokers(cfg.Brokers); err != nil {
		wrong = append(wrong, fmt.Errorf("kafkasrc: %s %w", envBrokers, err))
	}
	if err := checkTopic(cfg.Topic); err != nil {
		wrong = append(wrong, fmt.Errorf("kafkasrc: %s %w", envTopic, err))
	} else if err := checkTopic(cfg.Topic + bulkSuffix); err != nil { // the longest name made of it
		wrong = append(wrong, fmt.Errorf("kafkasrc: %s, with %q added for the bulk topic, %w", envTopic, bulkSuffix, err))
	}
	if err := checkGroup(cfg.Group); err != nil {
		wrong = append(wrong, fmt.Errorf("kafkasrc: %s %w", envGroup, err))
	}
	if len(wrong) > 0 {
		return Config{}, errors.Join(wrong...)
	}
	return cfg, nil
}
