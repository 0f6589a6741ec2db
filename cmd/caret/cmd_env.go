package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"
)

func envCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "env", Usage: "print the variables that let S3 clients here use the server",
		Description: "EXAMPLES:\n   eval \"$(caret env)\"",
		Flags: []cli.Flag{
			dataFlag("`DIR` of the server, with its root key"), endpointFlag(), caFlag(),
			&cli.StringFlag{Name: "region", Usage: "`NAME` of the region", Value: defaultRegion},
		},
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			return env(p, c.String("data"), c.String("endpoint"), c.String("region"), c.String("ca-file"))
		},
	}
}

func env(p process, data, endpoint, region, caFile string) error {
	k := rootKey{p.getenv("CARET_ROOT_ACCESS_KEY"), p.getenv("CARET_ROOT_SECRET_KEY")}
	if k.AccessKey == "" {
		var err error
		if k, err = readRootKey(data); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is no %s yet: start `caret serve` first, or name its data directory with --data", rootKeyPath(data))
		} else if err != nil {
			return err
		}
	}
	for _, v := range [][2]string{
		{"AWS_ACCESS_KEY_ID", k.AccessKey}, {"AWS_SECRET_ACCESS_KEY", k.SecretKey},
		{"AWS_ENDPOINT_URL", endpoint}, {"AWS_REGION", region}, {"AWS_DEFAULT_REGION", region}, {"CARET_ENDPOINT", endpoint},
	} {
		fmt.Fprintf(p.stdout, "export %s=%s\n", v[0], shellQuote(v[1]))
	}
	if caFile != "" {
		path, err := filepath.Abs(caFile)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "export AWS_CA_BUNDLE=%s\n", shellQuote(path))
	}
	return nil
}

// shellWord is s as a shell reads it, quoted only where that is needed.
func shellWord(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:") == "" && s != "" {
		return s
	}
	return shellQuote(s)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func versionCommand(p process) *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the version",
		Description: "EXAMPLES:\n   caret version",
		Action: func(c *cli.Context) error {
			if _, err := arguments(c); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, "caret "+version)
			return nil
		},
	}
}
