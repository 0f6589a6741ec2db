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
		Flags: outputFlags(
			dataFlag("`DIR` of the server, with its root key"), endpointFlag(), caFlag(),
			&cli.StringFlag{Name: "region", Usage: "`NAME` of the region", Value: defaultRegion},
		),
		Action: onLine(p, func(c *call) error {
			if _, err := arguments(c.line); err != nil {
				return err
			}
			return env(c)
		}),
	}
}

func env(c *call) error {
	data, endpoint, region, caFile := c.line.String("data"), c.line.String("endpoint"), c.line.String("region"), c.line.String("ca-file")
	if _, err := parseEndpoint(endpoint); err != nil {
		return err
	}
	k := rootKey{c.getenv("CARET_ROOT_ACCESS_KEY"), c.getenv("CARET_ROOT_SECRET_KEY")}
	switch {
	case (k.AccessKey == "") != (k.SecretKey == ""):
		return errHalfKey
	case k.AccessKey == "":
		var err error
		if k, err = readRootKey(data); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("there is no %s yet: start `caret serve` first, or name its data directory with --data", rootKeyPath(data))
		} else if err != nil {
			return err
		}
	}
	all := [][2]string{
		{"AWS_ACCESS_KEY_ID", k.AccessKey}, {"AWS_SECRET_ACCESS_KEY", k.SecretKey},
		{"AWS_ENDPOINT_URL", endpoint}, {"AWS_REGION", region}, {"AWS_DEFAULT_REGION", region}, {"CARET_ENDPOINT", endpoint},
	}
	if caFile != "" {
		path, err := filepath.Abs(caFile)
		if err != nil {
			return err
		}
		all = append(all, [2]string{"AWS_CA_BUNDLE", path})
	}
	byName := make(map[string]string)
	for _, v := range all {
		byName[v[0]] = v[1]
		if !c.pr.json {
			if _, err := fmt.Fprintf(c.stdout, "export %s=%s\n", v[0], shellQuote(v[1])); err != nil {
				return err
			}
		}
	}
	return c.pr.result(byName, "")
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
		Flags:       outputFlags(),
		Action: onLine(p, func(c *call) error {
			if _, err := arguments(c.line); err != nil {
				return err
			}
			return c.pr.result(map[string]string{"version": version}, "caret "+version)
		}),
	}
}
