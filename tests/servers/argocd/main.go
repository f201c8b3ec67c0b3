// Command cmp calls a config management plugin like Argo CD, with Argo CD's own client and server code.
//
//	cmp --config-dir DIR --app DIR [options] match|generate|announce
//
// It starts the argocd-cmp-server of the sidecar (this program, started under that name) on a Unix socket, with the
// plugin.yaml in --config-dir and the caller's environment. It sends the repository like the repo-server and prints the
// response:
//
//	generate  the manifests that the repo-server passes to the controller: a JSON list of strings, each the JSON
//	          of one object (without the tracking label of the Application that Argo CD adds)
//	match     whether discovery finds that the plugin supports the app: true or false
//	announce  the announced parameters: a JSON list
//
// Errors and the repo-server's log, such as the reason why discovery failed, go to standard error. The exit code is 1
// after an error and 2 after wrong usage. The plugin server's log goes to --log. The time limit is the controller's:
// ARGOCD_APPLICATION_CONTROLLER_REPO_SERVER_TIMEOUT_SECONDS or 60 seconds.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	cmpserver "github.com/argoproj/argo-cd/v3/cmd/argocd-cmp-server/commands"
	"github.com/argoproj/argo-cd/v3/cmpserver/plugin"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/reposerver/apiclient"
	"github.com/argoproj/argo-cd/v3/reposerver/repository"
	"github.com/argoproj/argo-cd/v3/util/app/discovery"
	apppath "github.com/argoproj/argo-cd/v3/util/app/path"
	"github.com/argoproj/argo-cd/v3/util/cmp"
	"github.com/argoproj/argo-cd/v3/util/env"
	"github.com/argoproj/argo-cd/v3/util/git"
	utilio "github.com/argoproj/argo-cd/v3/util/io"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Argo CD's binary runs the plugin's server if it is started under this name.
const server = "argocd-cmp-server"

var (
	flags     = flag.NewFlagSet("cmp", flag.ExitOnError)
	configDir = flags.String("config-dir", "", "the directory of plugin.yaml")
	app       = flags.String("app", "", "the app's directory")
	repo      = flags.String("repo", "", "the repository's directory, which holds the app's (default: the app's)")
	name      = flags.String("name", "app", "the Application's name")
	namespace = flags.String("namespace", "default", "the namespace that the Application deploys to")
	log       = flags.String("log", os.DevNull, "a file for the log of the plugin's server")
	source    = v1alpha1.ApplicationSource{TargetRevision: "HEAD", Plugin: &v1alpha1.ApplicationSourcePlugin{}}
)

func main() {
	if filepath.Base(os.Args[0]) == server {
		go func() { // The pipe closes when the program that started this one ends, however it ends.
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(0)
		}()
		_ = cmpserver.NewCommand().Execute()
		os.Exit(1)
	}
	flags.Func("env", "`NAME=VALUE`, an entry of spec.source.plugin.env; may be repeated", func(text string) error {
		entry, err := v1alpha1.NewEnvEntry(text)
		source.Plugin.Env = append(source.Plugin.Env, entry)
		return err
	})
	flags.Func("parameters", "spec.source.plugin.parameters, as `JSON`", func(text string) error {
		return json.Unmarshal([]byte(text), &source.Plugin.Parameters)
	})
	_ = flags.Parse(os.Args[1:])
	if *configDir == "" || *app == "" || flags.NArg() != 1 || !slices.Contains([]string{"match", "generate", "announce"}, flags.Arg(0)) {
		fmt.Fprintln(os.Stderr, "usage: cmp --config-dir DIR --app DIR [options] match|generate|announce")
		flags.PrintDefaults()
		os.Exit(2)
	}
	answer, err := ask(flags.Arg(0))
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(answer)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ask starts the plugin's server and returns its answer to one question.
func ask(question string) (any, error) {
	config, err := plugin.ReadPluginConfig(*configDir)
	if err != nil {
		return nil, err
	}
	directory, err := os.MkdirTemp("", "cmp")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(directory)
	os.Setenv(common.EnvPluginSockFilePath, directory)
	stop, err := start(config.Address(), directory)
	if err != nil {
		return nil, err
	}
	defer stop()
	os.Setenv("TMPDIR", directory) // The repo-server's code leaves directories there. The plugin has the caller's TMPDIR.

	// The checks that the repo-server makes before it calls plugins.
	root, _ := filepath.Abs(*app)
	if *repo != "" {
		root, _ = filepath.Abs(*repo)
	}
	appDirectory, _ := filepath.Abs(*app)
	if source.Path, err = filepath.Rel(root, appDirectory); err != nil {
		return nil, err
	}
	if err = apppath.CheckOutOfBoundsSymlinks(root); err != nil {
		return nil, err
	}
	path, err := apppath.Path(root, source.Path)
	if err != nil {
		return nil, err
	}
	seconds := env.ParseNumFromEnv("ARGOCD_APPLICATION_CONTROLLER_REPO_SERVER_TIMEOUT_SECONDS", 60, 1, math.MaxInt32)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(seconds)*time.Second)
	defer cancel()

	source.Plugin.Name = strings.TrimSuffix(filepath.Base(config.Address()), ".sock")
	request := apiclient.ManifestRequest{
		AppName: *name, Namespace: *namespace, ProjectName: "default", ApplicationSource: &source,
		Repo:        &v1alpha1.Repository{Repo: "https://git.test/apps.git"},
		KubeVersion: "1.34.0", ApiVersions: []string{"v1", "v1/Secret", "batch/v1", "batch/v1/Job"},
	}
	if question == "generate" {
		response, err := repository.GenerateManifests(ctx, path, root, strings.Repeat("0123456789", 4), &request, false,
			git.NoopCredsStore{}, resource.Quantity{}, utilio.NewRandomizedTempPaths(directory))
		return response.GetManifests(), err
	}
	// The repo-server does the rest in functions that it does not export.
	known := v1alpha1.Env{
		{Name: "ARGOCD_APP_NAME", Value: *name}, {Name: "ARGOCD_APP_SOURCE_REPO_URL", Value: request.Repo.Repo},
		{Name: "ARGOCD_APP_SOURCE_PATH", Value: source.Path}, {Name: "ARGOCD_APP_SOURCE_TARGET_REVISION", Value: source.TargetRevision},
	}
	environ := known.Environ()
	for _, entry := range source.Plugin.Env {
		environ = append(environ, "ARGOCD_ENV_"+entry.Name+"="+known.Envsubst(entry.Value))
	}
	parameters, err := source.Plugin.Parameters.Environ()
	if err != nil {
		return nil, err
	}
	environ = append(environ, parameters...)
	if question == "match" {
		connection, _, err := discovery.DetectConfigManagementPlugin(ctx, path, root, "", environ, nil)
		if err == nil {
			connection.Close()
		}
		return err == nil, nil
	}
	connection, client, err := discovery.DetectConfigManagementPlugin(ctx, path, root, source.Plugin.Name, environ, nil)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	stream, err := client.GetParametersAnnouncement(ctx)
	if err != nil {
		return nil, err
	}
	if err = cmp.SendRepoStream(ctx, path, root, stream, environ, nil); err != nil {
		return nil, err
	}
	response, err := stream.CloseAndRecv()
	return append([]*apiclient.ParameterAnnouncement{}, response.GetParameterAnnouncements()...), err
}

// start starts the plugin's server and waits until it listens. It returns a function that stops the server.
func start(socket, directory string) (stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	file, err := os.Create(*log)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	command := exec.Command(program, "--config-dir-path", *configDir)
	command.Args[0], command.Stdout, command.Stderr = server, file, file
	command.Env = append(os.Environ(), common.EnvCMPWorkDir+"="+directory)
	pipe, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err = command.Start(); err != nil {
		return nil, err
	}
	stop = func() { pipe.Close(); _ = command.Wait() }
	for range 3000 {
		if connection, err := net.Dial("unix", socket); err == nil {
			connection.Close()
			return stop, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	return nil, fmt.Errorf("%s does not listen at %s: see --log", server, socket)
}
