package kafkasrc

import (
	"context"
	"log/slog"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Levels of syslog, as librdkafka logs.
const (
	syslogError   = 3
	syslogWarning = 4
	syslogNotice  = 5
	syslogInfo    = 6
)

// noteClientLog passes on a log line of librdkafka: one condition for each tag. The lines
// of the setting "debug" are passed on one by one.
func (c *conditions) noteClientLog(client string, l kafka.LogEvent) {
	level := slog.LevelDebug
	switch {
	case l.Tag == "CONFWARN": // settings of the other kind of client, mostly
	case l.Level <= syslogError:
		level = slog.LevelError
	case l.Level == syslogWarning:
		level = slog.LevelWarn
	case l.Level == syslogNotice:
		level = slog.LevelInfo
	case l.Level > syslogInfo:
		c.log.LogAttrs(context.Background(), level, "kafkasrc: librdkafka", slog.String("client", client), slog.String("tag", l.Tag), slog.String("line", headerText(l.Message)))
		return
	}
	c.note(level, "log."+client+"."+l.Tag, "librdkafka", slog.String("client", client), slog.String("tag", l.Tag), slog.String("line", headerText(l.Message)))
}
