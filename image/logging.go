package image

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/sirupsen/logrus"
)

// containers/image and containers/storage log through logrus, to the standard error. Unless the program has given logrus
// another output, what they say goes to the first store's logger: nothing is to appear between a user's own output.

var routeOnce sync.Once

func routeLogs(to *slog.Logger) {
	routeOnce.Do(func() {
		if logrus.StandardLogger().Out == os.Stderr {
			logrus.SetOutput(io.Discard)
			logrus.AddHook(logHook{to})
		}
	})
}

type logHook struct{ to *slog.Logger }

// Levels implements logrus.Hook.
func (logHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (h logHook) Fire(e *logrus.Entry) error {
	level := slog.LevelDebug
	switch e.Level {
	case logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel:
		level = slog.LevelError
	case logrus.WarnLevel:
		level = slog.LevelWarn
	case logrus.InfoLevel:
		level = slog.LevelInfo
	}
	h.to.Log(context.Background(), level, e.Message)
	return nil
}
