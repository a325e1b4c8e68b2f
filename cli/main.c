/* main.c: choreo, the command line of developers, platform engineers and operators. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/print.h"

static const struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"apply", "make the cluster hold what files say", command_apply},
    {"get", "show objects", command_get},
    {"watch", "show objects and every change of them", command_watch},
    {"wait", "wait until objects reach a condition", command_wait},
    {"delete", "delete objects", command_delete},
    {"status", "the platform at a glance: nodes, clusters, components", command_status},
    {"cluster", "the control plane itself: status, members, transfer, prefer", command_cluster},
    {"kubeconfig", "print a kubeconfig for kubectl", command_kubeconfig},
    {"context", "list contexts, or choose the current one", command_context},
    {"version", "print the versions of choreo and of the server", command_version},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *to)
{
    (void)fputs("choreo talks to a choreod cluster, by any of its nodes.\n"
                "\n"
                "usage: choreo COMMAND [OPTION...]      choreo COMMAND --help tells more\n"
                "\n",
                to);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(to, "  %-11s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs(
        "\n"
        "Options of every command:\n"
        "  --config FILE       contexts; default: $CHOREO_CONFIG, ~/.config/choreo/\n"
        "                      config.yaml, ./.choreod/choreo.yaml\n"
        "  --context NAME      another than the file's current one\n"
        "  --endpoint URL      only this node, https://HOST:PORT\n"
        "  -n, --namespace NS  default: the context's, else default\n"
        "  -o, --output FORM   table, wide, json, yaml or name\n"
        "  --timeout DURATION  500ms, 30s, 1h30m; default: 30s\n"
        "\n"
        "To begin:  choreo status                    what there is, and how it is\n"
        "           choreo apply -f deploy/samples   a whole platform to look at\n"
        "           choreo get components -A\n"
        "\n"
        "Data goes to stdout, progress and errors to stderr. Exit codes: 0 done, 1 failed,\n"
        "2 wrong usage, 3 timed out, 4 not allowed, 5 conflict.\n",
        to);
}

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    cli_command_first(argc, argv);
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(argc > 1 ? stdout : stderr);
        return argc > 1 ? 0 : 2;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    print_err("choreo: no command \"%s\"; choreo --help lists them\n", name);
    return 2;
}
