/* main.c: choreod, a node of the control plane: picks the command. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "node/commands.h"

static const struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"dev", "start a whole cluster on this machine, to try it", command_dev},
    {"init", "create a cluster: its CA, its first node, its administrator", command_init},
    {"token", "make a token with which another machine may join", command_token},
    {"join", "make this machine a node of a running cluster", command_join},
    {"run", "run the node that init or join made", command_run},
};
enum { COMMAND_COUNT = sizeof commands / sizeof commands[0] };

static void print_help(FILE *to)
{
    (void)fputs(
        "choreod is a highly available control plane for developer platforms: three or five\n"
        "identical nodes that replicate the platform's state through Raft and drive many\n"
        "Kubernetes clusters. Its clients are kubectl, any gRPC client, and choreo.\n"
        "\n"
        "usage: choreod COMMAND [OPTION...]      choreod COMMAND --help tells more\n"
        "\n",
        to);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        (void)fprintf(to, "  %-8s %s\n", commands[i].name, commands[i].summary);
    }
    (void)fputs("  version  print the version\n"
                "\n"
                "To try it:    choreod dev\n"
                "For real:     choreod init --dir DIR --name node-1 --api HOST:7443 --peers "
                "HOST:7444\n"
                "              choreod run --dir DIR\n"
                "              choreod token create --dir DIR      prints what to type on the next "
                "machine\n"
                "\n"
                "Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 timed out, 4 not\n"
                "allowed, 5 conflict.\n",
                to);
}

int main(int argc, char **argv)
{
    /* A peer that goes away is an error of a write, not a signal. */
    (void)signal(SIGPIPE, SIG_IGN);
    fault_from_environment();
    const char *name = argc > 1 ? argv[1] : "--help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(argc > 1 ? stdout : stderr);
        return argc > 1 ? 0 : 2;
    }
    if (strcmp(name, "version") == 0 || strcmp(name, "--version") == 0) {
        (void)printf("choreod %s\n", CHOREO_VERSION);
        return 0;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    (void)fprintf(stderr, "choreod: no command \"%s\"; choreod --help lists them\n", name);
    return 2;
}
