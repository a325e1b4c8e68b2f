/* What a kube-apiserver refuses, object by object, in its own words; and what it lets pass. */
#include "tests/lib/test.h"

#include <stdio.h>

#include "base/yaml.h"
#include "proto/kube_rules.h"

struct fault {
    const char *object; /* YAML, in flow style */
    const char *causes; /* as causes_text() has them; "": none */
};

static json_t *parse(const char *text)
{
    json_t *tree = NULL;
    struct err err = {0};
    assert_ok(yaml_parse(slice_of(text), "object", &tree, &err), &err);
    return tree;
}

static void assert_causes(const char *object, const char *expected)
{
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    struct buf text = {0};
    json_t *tree = parse(object);
    kube_rules_check(tree, &causes);
    if (causes.count > 0) {
        causes_text(&causes, &text);
    }
    if (!slice_eq_cstr(buf_slice(&text), expected)) {
        print_error("%s\n", object);
        assert_string_equal(buf_cstr(&text), expected);
    }
    json_decref(tree);
    buf_free(&text);
    arena_free(&arena);
}

static void assert_all(const struct fault *faults, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        assert_causes(faults[i].object, faults[i].causes);
    }
}

#define ASSERT_ALL(faults) assert_all(faults, sizeof(faults) / sizeof *(faults))

#define POD(spec) "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {" spec "}}"
#define MAIN(more) POD("containers: [{name: main, image: x" more "}]")
#define ON_MAIN "spec.containers[0]"

static void containers(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {MAIN(""), ""},
        {POD("containers: []"), "spec.containers: Required value"},
        {POD("containers: [{}]"),
         "[" ON_MAIN ".name: Required value, " ON_MAIN ".image: Required value]"},
        {POD("containers: [{name: Main, image: ' x'}]"),
         "[" ON_MAIN
         ".name: Invalid value: \"Main\": a lowercase RFC 1123 label must consist of at "
         "most 63 lower case alphanumeric characters or '-', and must start and end with an "
         "alphanumeric character (e.g. 'my-name', or '123-abc'), " ON_MAIN
         ".image: Invalid value: \" x\": must not have leading or trailing whitespace]"},
        {MAIN(", imagePullPolicy: Sometimes"), ON_MAIN
         ".imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", "
         "\"IfNotPresent\", \"Never\""},
        {POD("initContainers: [{name: main, image: x}], containers: [{name: main, image: x}]"),
         ON_MAIN ".name: Duplicate value: \"main\""},
        {POD("initContainers: [{name: i, image: x, livenessProbe: {exec: {command: [x]}}}], "
             "containers: [{name: main, image: x}]"),
         "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers "
         "without restartPolicy=Always"},
        {POD("initContainers: [{name: i, image: x, restartPolicy: Always, livenessProbe: {exec: "
             "{command: [x]}}}], containers: [{name: main, image: x}]"),
         ""},
        {MAIN(", securityContext: {privileged: true, allowPrivilegeEscalation: false}"),
         ON_MAIN ".securityContext: Invalid value: cannot set `allowPrivilegeEscalation` to false "
                 "and `privileged` to true"},
        {MAIN(", securityContext: {runAsUser: -1}"),
         ON_MAIN ".securityContext.runAsUser: Invalid value: -1: must be greater than or equal to "
                 "0"},
        {POD("serviceAccountName: a_b, containers: [{name: a, image: x}]"),
         "spec.serviceAccountName: Invalid value: \"a_b\": a lowercase RFC 1123 subdomain must "
         "consist "
         "of at most 253 lower case alphanumeric characters, '-' or '.', and must start and end "
         "with "
         "an alphanumeric character (e.g. 'example.com')"}};
    ASSERT_ALL(faults);
}

static void ports(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {MAIN(", ports: [{name: http, containerPort: 80}, {containerPort: 81}]"), ""},
        {MAIN(", ports: [{name: a-name-that-is-long, containerPort: 80}]"),
         ON_MAIN ".ports[0].name: Invalid value: \"a-name-that-is-long\": must be no more than 15 "
                 "characters"},
        {MAIN(", ports: [{name: HTTP, containerPort: 80}]"),
         ON_MAIN ".ports[0].name: Invalid value: \"HTTP\": must contain only alpha-numeric "
                 "characters (a-z, 0-9), and hyphens (-)"},
        {MAIN(", ports: [{name: '8080', containerPort: 80}]"),
         ON_MAIN ".ports[0].name: Invalid value: \"8080\": must contain at least one letter (a-z)"},
        {MAIN(", ports: [{name: a--b, containerPort: 80}]"),
         ON_MAIN ".ports[0].name: Invalid value: \"a--b\": must not contain consecutive hyphens"},
        {MAIN(", ports: [{name: a-, containerPort: 80}]"),
         ON_MAIN ".ports[0].name: Invalid value: \"a-\": must not begin or end with a hyphen"},
        {MAIN(", ports: [{name: a, containerPort: 80}, {name: a, containerPort: 81}]"),
         ON_MAIN ".ports[1].name: Duplicate value: \"a\""},
        {MAIN(", ports: [{containerPort: 65536}, {protocol: TPC}]"),
         "[" ON_MAIN ".ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, "
         "inclusive, " ON_MAIN ".ports[1].containerPort: Required value, " ON_MAIN
         ".ports[1].protocol: Unsupported value: \"TPC\": supported values: \"SCTP\", \"TCP\", "
         "\"UDP\"]"}};
    ASSERT_ALL(faults);
}

static void variables(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {MAIN(", env: [{name: A, value: ''}, {name: B, valueFrom: {secretKeyRef: {name: s, key: "
              "k}}}], envFrom: [{configMapRef: {name: c}}]"),
         ""},
        {MAIN(", env: [{name: 1A}, {name: A=B}, {}]"),
         "[" ON_MAIN ".env[1].name: Invalid value: \"A=B\": a valid environment variable name must "
         "consist only of printable ASCII characters other than '=', " ON_MAIN
         ".env[2].name: Required value]"},
        {MAIN(", env: [{name: A, valueFrom: {fromTheFuture: {}}}]"), ""},
        {MAIN(", env: [{name: A, value: b, valueFrom: {secretKeyRef: {name: s, key: k}}}]"),
         ON_MAIN ".env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not "
                 "empty"},
        {MAIN(", env: [{name: A, valueFrom: {}}]"),
         ON_MAIN ".env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, "
                 "`resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"},
        {MAIN(", env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]"),
         ON_MAIN ".env[0].valueFrom.secretKeyRef.key: Required value"},
        {MAIN(", envFrom: [{configMapRef: {name: c}, secretRef: {name: s}}]"), ON_MAIN
         ".envFrom[0]: Invalid value: \"\": may not have more than one field specified at a "
         "time"}};
    ASSERT_ALL(faults);
}

static void probes(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {MAIN(", readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 5}"), ""},
        {MAIN(", readinessProbe: {periodSeconds: 5}"),
         ON_MAIN ".readinessProbe: Required value: must specify a handler type"},
        {MAIN(", livenessProbe: {httpGet: {port: 80}, tcpSocket: {port: 80}}"),
         ON_MAIN ".livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type"},
        {MAIN(", livenessProbe: {httpGet: {port: 0, scheme: http}, successThreshold: 2, "
              "periodSeconds: -1}"),
         "[" ON_MAIN ".livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, "
         "inclusive, " ON_MAIN ".livenessProbe.httpGet.scheme: Unsupported value: \"http\": "
         "supported values: \"HTTP\", \"HTTPS\", " ON_MAIN
         ".livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to "
         "0, " ON_MAIN ".livenessProbe.successThreshold: Invalid value: 2: must be 1]"},
        {MAIN(", startupProbe: {exec: {}}"), ON_MAIN ".startupProbe.exec.command: Required value"},
        {MAIN(", lifecycle: {preStop: {sleep: {seconds: 31}}}"),
         ON_MAIN ".lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than "
                 "terminationGracePeriodSeconds (30)"}};
    ASSERT_ALL(faults);
}

static void resources(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {MAIN(", resources: {requests: {cpu: 100m}, limits: {cpu: 1, example.com/gpu: 1}}"), ""},
        {MAIN(", resources: {requests: {cpu: 2}, limits: {cpu: 1}}"),
         ON_MAIN ".resources.requests: Invalid value: \"2\": must be less than or equal to cpu "
                 "limit of 1"},
        {MAIN(", resources: {requests: {mem: 1Gi, cpu: -1}}"),
         "[" ON_MAIN
         ".resources.requests[mem]: Invalid value: \"mem\": must be a standard resource "
         "type or fully qualified, " ON_MAIN
         ".resources.requests[cpu]: Invalid value: -1: must be greater than or equal to 0]"}};
    ASSERT_ALL(faults);
}

#define MOUNTED(volumes, mounts)                                                                   \
    POD("volumes: [" volumes "], containers: [{name: main, image: x, volumeMounts: [" mounts "]}"  \
        "]")

static void volumes(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {MOUNTED("{name: a}, {name: b, configMap: {name: c, defaultMode: 0444}}",
                 "{name: a, mountPath: /a}, {name: b, mountPath: /b, subPath: c/d}"),
         ""},
        {MOUNTED("{name: a}", "{name: b, mountPath: /a}"),
         ON_MAIN ".volumeMounts[0].name: Not found: \"b\""},
        {MOUNTED("{name: a}", "{name: a}"), ON_MAIN ".volumeMounts[0].mountPath: Required value"},
        {MOUNTED("{name: a}", "{name: a, mountPath: /a, subPath: ../b}, "
                              "{name: a, mountPath: /b, subPath: /b}"),
         "[" ON_MAIN ".volumeMounts[0].subPath: Invalid value: \"../b\": must not contain "
         "'..', " ON_MAIN ".volumeMounts[1].subPath: Invalid value: \"/b\": must be a relative "
         "path]"},
        {MOUNTED("{name: a, emptyDir: {}, secret: {secretName: s}}", ""),
         "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type"},
        {MOUNTED("{name: a, secret: {name: s}}, {name: b, configMap: {}}, {name: c, "
                 "persistentVolumeClaim: {}}",
                 ""),
         "[spec.volumes[0].secret.secretName: Required value, spec.volumes[1].configMap.name: "
         "Required value, spec.volumes[2].persistentVolumeClaim.claimName: Required value]"},
        {MOUNTED("{name: a, secret: {secretName: s, defaultMode: 755, items: [{key: k, path: "
                 "/p}]}}",
                 ""),
         "[spec.volumes[0].secret.defaultMode: Invalid value: 755: must be a number between 0 and "
         "0777 (octal), both inclusive, spec.volumes[0].secret.items[0].path: Invalid value: "
         "\"/p\": must be a relative path]"},
        {"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a}, spec: {accessModes: "
         "[ReadWriteTwice], resources: {requests: {storage: 0}}}}",
         "[spec.accessModes[0]: Unsupported value: \"ReadWriteTwice\": supported values: "
         "\"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\", "
         "spec.resources.requests[storage]: Invalid value: 0: must be greater than zero]"}};
    ASSERT_ALL(faults);
}

static void places(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {POD("tolerations: [{key: a, operator: Exists, value: b}, {value: c}], containers: [{name: "
             "a, image: x}]"),
         "[spec.tolerations[0].value: Invalid value: \"b\": value must be empty when `operator` is "
         "'Exists', spec.tolerations[1].operator: Invalid value: operator must be Exists when "
         "`key` "
         "is empty, which means \"match all values and all keys\"]"},
        {POD("topologySpreadConstraints: [{maxSkew: 0, topologyKey: z, whenUnsatisfiable: Never}], "
             "containers: [{name: a, image: x}]"),
         "[spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than or "
         "equal to 1, spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "
         "\"Never\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\"]"},
        {POD("affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: "
             "[{weight: 0, podAffinityTerm: {}}]}}, containers: [{name: a, image: x}]"),
         "[spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]."
         "podAffinityTerm.topologyKey: Required value, spec.affinity.podAntiAffinity."
         "preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 0: must be in "
         "the range 1-100]"}};
    ASSERT_ALL(faults);
}

#define CONTAINERS "containers: [{name: a, image: x}]"
#define DEPLOYMENT(more)                                                                           \
    "{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {" more "}}"
#define CHOSEN "selector: {matchLabels: {app: a}}, "
#define TEMPLATE "template: {metadata: {labels: {app: a}}, spec: {" CONTAINERS "}}"

static void controllers(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {DEPLOYMENT(CHOSEN TEMPLATE), ""},
        {"{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}, spec: {" CHOSEN
         "template: {metadata: {labels: {app: a}, annotations: {Example.COM/A_b: c}}, spec: "
         "{" CONTAINERS "}}}}",
         ""},
        {DEPLOYMENT(""), "[spec.selector: Required value, spec.template: Required value]"},
        {DEPLOYMENT("selector: {}, " TEMPLATE),
         "spec.selector: Invalid value: {}: empty selector is invalid for deployment"},
        {DEPLOYMENT("selector: {matchLabels: {app: b}}, " TEMPLATE),
         "spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match "
         "template `labels`"},
        {DEPLOYMENT(
             "selector: {matchExpressions: [{key: app, operator: In, values: [b]}]}, " TEMPLATE),
         "spec.template.metadata.labels: Invalid value: {\"app\":\"a\"}: `selector` does not match "
         "template `labels`"},
        {DEPLOYMENT("selector: {matchExpressions: [{key: app, operator: In, values: [b, a]}, {key: "
                    "x, operator: DoesNotExist}]}, " TEMPLATE),
         ""},
        {DEPLOYMENT("selector: {matchExpressions: [{key: app, operator: In}]}, " TEMPLATE),
         "[spec.selector.matchExpressions[0].values: Required value: must be specified when "
         "`operator` is 'In' or 'NotIn', spec.template.metadata.labels: Invalid value: "
         "{\"app\":\"a\"}: `selector` does not match template `labels`]"},
        {DEPLOYMENT("replicas: -1, strategy: {type: Rolling}, " CHOSEN TEMPLATE),
         "[spec.replicas: Invalid value: -1: must be greater than or equal to 0, "
         "spec.strategy.type: Unsupported value: \"Rolling\": supported values: \"Recreate\", "
         "\"RollingUpdate\"]"},
        {DEPLOYMENT("strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}, " CHOSEN TEMPLATE),
         "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is "
         "'Recreate'"},
        {DEPLOYMENT(
             "strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0%}}, " CHOSEN TEMPLATE),
         "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when "
         "`maxSurge` is 0"},
        {DEPLOYMENT("strategy: {rollingUpdate: {maxSurge: half}}, " CHOSEN TEMPLATE),
         "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"half\": a valid percent string "
         "must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for "
         "validation is '[0-9]+%')"},
        {DEPLOYMENT("progressDeadlineSeconds: 5, minReadySeconds: 5, " CHOSEN TEMPLATE),
         "spec.progressDeadlineSeconds: Invalid value: 5: must be greater than minReadySeconds"},
        {DEPLOYMENT(CHOSEN "template: {metadata: {labels: {app: a}}, spec: {restartPolicy: Never, "
                           "activeDeadlineSeconds: 5, " CONTAINERS "}}"),
         "[spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: "
         "\"Always\", spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds "
         "in "
         "ReplicaSet is not Supported]"},
        {DEPLOYMENT(CHOSEN "template: {metadata: {labels: {app: a, b: 'c d'}, annotations: {'e f': "
                           "g}}, spec: {" CONTAINERS "}}"),
         "[spec.template.metadata.labels: Invalid value: \"c d\": a valid label must be an empty "
         "string or consist of at most 63 alphanumeric characters, '-', '_' or '.', and must start "
         "and end with an alphanumeric character (e.g. 'MyValue', or 'my_value', or '12345'), "
         "spec.template.metadata.annotations: Invalid value: \"e f\": name part must consist of at "
         "most 63 alphanumeric characters, '-', '_' or '.', and must start and end with an "
         "alphanumeric character (e.g. 'MyName', or 'my.name', or '123-abc')]"},
        {"{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {" CHOSEN
         "template: {metadata: {labels: {app: a}}, spec: {containers: [{name: a, image: x, "
         "volumeMounts: [{name: data, mountPath: /d}]}]}}, volumeClaimTemplates: [{metadata: "
         "{name: "
         "data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}",
         ""}};
    ASSERT_ALL(faults);
}

#define JOB(name, more)                                                                            \
    "{apiVersion: batch/v1, kind: Job, metadata: {name: " name "}, spec: {" more "}}"
#define CRON(name, more)                                                                           \
    "{apiVersion: batch/v1, kind: CronJob, metadata: {name: " name "}, spec: {" more               \
    "jobTemplate: {spec: {template: {spec: {restartPolicy: Never, " CONTAINERS "}}}}}}"
#define FIFTY "a123456789b123456789c123456789d123456789e123456789"

static void what_ends(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {JOB("a", "template: {spec: {restartPolicy: OnFailure, " CONTAINERS "}}"), ""},
        {JOB("a", "template: {spec: {" CONTAINERS "}}"),
         "spec.template.spec.restartPolicy: Required value: valid values: \"OnFailure\", "
         "\"Never\""},
        {JOB("a", "completionMode: Indexed, backoffLimit: -1, template: {spec: {restartPolicy: "
                  "Never, " CONTAINERS "}}"),
         "[spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0, "
         "spec.completions: Required value: when completion mode is Indexed]"},
        {JOB(FIFTY "12345678901234", "template: {spec: {restartPolicy: Never, " CONTAINERS "}}"),
         "metadata.name: Invalid value: \"" FIFTY "12345678901234\": must be no more than 63 "
         "characters"},
        {CRON(FIFTY "12", "schedule: '@hourly', "), ""},
        {CRON(FIFTY "123", "schedule: 0 3 * *, concurrencyPolicy: Maybe, "),
         "[metadata.name: Invalid value: \"" FIFTY "123\": must be no more than 52 characters, "
         "spec.schedule: Invalid value: \"0 3 * *\": must be cron's five fields, like \"0 3 * * "
         "mon-fri\", or one of @hourly, @daily, @weekly, @monthly, @yearly, "
         "spec.concurrencyPolicy: Unsupported value: \"Maybe\": supported values: \"Allow\", "
         "\"Forbid\", \"Replace\"]"}};
    ASSERT_ALL(faults);
}

#define SCALER(more)                                                                               \
    "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: a}, spec: {"     \
    "scaleTargetRef: {kind: Deployment, name: a}, " more "}}"
#define BUDGET(more)                                                                               \
    "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: a}, spec: {" more "}}"

static void how_many(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {SCALER("minReplicas: 1, maxReplicas: 3"), ""},
        {SCALER("minReplicas: 5, maxReplicas: 3"),
         "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`"},
        {SCALER("minReplicas: 0, maxReplicas: 0"),
         "[spec.minReplicas: Invalid value: 0: must be greater than or equal to 1, "
         "spec.maxReplicas: Invalid value: 0: must be greater than 0]"},
        {SCALER(
             "maxReplicas: 2, metrics: [{type: Resource}, {type: Resource, resource: {name: cpu, "
             "target: {averageUtilization: 0}}}]"),
         "[spec.metrics[0].resource: Required value: must populate information for the given "
         "metric source, spec.metrics[1].resource.target.type: Required value, "
         "spec.metrics[1].resource.target.averageUtilization: Invalid value: 0: must be greater "
         "than or equal to 1]"},
        {BUDGET("maxUnavailable: 50%, selector: {matchLabels: {app: a}}"), ""},
        {BUDGET("maxUnavailable: 1, minAvailable: 1"),
         "spec: Invalid value: minAvailable and maxUnavailable cannot be both set"}};
    ASSERT_ALL(faults);
}

#define SERVICE(more) "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {" more "}}"

static void services(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {SERVICE("ports: [{port: 80, targetPort: http}]"), ""},
        {SERVICE("clusterIP: None"), ""},
        {SERVICE("type: ExternalName, externalName: db.example.com"), ""},
        {SERVICE("type: ClusterIp"),
         "[spec.ports: Required value, spec.type: Unsupported value: \"ClusterIp\": supported "
         "values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\"]"},
        {SERVICE("ports: [{port: 80}, {port: 81, name: b}, {port: 82, name: b}]"),
         "[spec.ports[0].name: Required value, spec.ports[2].name: Duplicate value: \"b\"]"},
        {SERVICE("ports: [{port: 0, name: B_b, targetPort: a-name-that-is-long}]"),
         "[spec.ports[0].name: Invalid value: \"B_b\": a lowercase RFC 1123 label must consist of "
         "at most 63 lower case alphanumeric characters or '-', and must start and end with an "
         "alphanumeric character (e.g. 'my-name', or '123-abc'), spec.ports[0].port: Invalid "
         "value: "
         "0: must be between 1 and 65535, inclusive, spec.ports[0].targetPort: Invalid value: "
         "\"a-name-that-is-long\": must be no more than 15 characters]"},
        {SERVICE("type: LoadBalancer, clusterIP: None, ports: [{port: 80}], "
                 "loadBalancerSourceRanges: [10.0.0.0]"),
         "[spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for LoadBalancer "
         "services, spec.loadBalancerSourceRanges[0]: Invalid value: \"10.0.0.0\": must be a valid "
         "CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)]"}};
    ASSERT_ALL(faults);
}

#define POLICY(more)                                                                               \
    "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: a}, spec: {" more "}}"
#define FROM "spec.ingress[0].from[0]"

static void policies(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {POLICY("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: "
                "[{port: 80, endPort: 90}, {port: http}]}]"),
         ""},
        {POLICY("ingress: [{from: [{}]}]"), FROM ": Required value: must specify a peer"},
        {POLICY("ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/33}}]}]"),
         "[" FROM
         ".ipBlock.cidr: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. "
         "10.9.8.0/24 or 2001:db8::/64), " FROM
         ": Forbidden: may not specify both ipBlock and another peer]"},
        {POLICY("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]"),
         FROM ".ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of "
              "`cidr`"},
        {POLICY("policyTypes: [Egres], egress: [{ports: [{protocol: tcp, port: 90, endPort: 80}, "
                "{endPort: 80}]}]"),
         "[spec.egress[0].ports[0].protocol: Unsupported value: \"tcp\": supported values: "
         "\"SCTP\", \"TCP\", \"UDP\", spec.egress[0].ports[0].endPort: Invalid value: 80: must be "
         "greater than or equal to `port`, spec.egress[0].ports[1].endPort: Invalid value: 80: may "
         "not be specified when `port` is not specified, spec.policyTypes[0]: Unsupported value: "
         "\"Egres\": supported values: \"Egress\", \"Ingress\"]"}};
    ASSERT_ALL(faults);
}

#define ROUTE(more)                                                                                \
    "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: a}, spec: "      \
    "{" more "}}"
#define INGRESS(more)                                                                              \
    "{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a}, spec: {" more "}}"
#define PATH "spec.rules[0].matches[0].path"

static void routes(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {ROUTE("parentRefs: [{name: g, sectionName: a}, {name: g, sectionName: b}], hostnames: "
               "['*.example.com'], rules: [{name: r, matches: [{method: GET, path: {type: Exact, "
               "value: '/a/%7Bb%7D'}}], backendRefs: [{name: s, port: 80}]}]"),
         ""},
        {ROUTE("parentRefs: [{name: g}, {name: g, sectionName: b}], hostnames: [10.0.0.1, a_b]"),
         "[spec.parentRefs: Invalid value: sectionName must be specified when parentRefs includes "
         "2 "
         "or more references to the same parent, spec.hostnames[0]: Invalid value: \"10.0.0.1\": "
         "must be a DNS name, not an IP address, spec.hostnames[1]: Invalid value: \"a_b\": a "
         "lowercase RFC 1123 subdomain must consist of at most 253 lower case alphanumeric "
         "characters, '-' or '.', and must start and end with an alphanumeric character (e.g. "
         "'example.com')]"},
        {ROUTE("rules: [{name: r}, {name: r}]"),
         "spec.rules: Invalid value: Rule name must be unique within the route"},
        {ROUTE("rules: [{matches: [{path: {value: api}}]}]"),
         PATH ": Invalid value: \"api\": value must be an absolute path and start with '/' when "
              "type one of ['Exact', 'PathPrefix']"},
        {ROUTE("rules: [{matches: [{path: {value: '/a//b'}}, {path: {value: '/{id}'}}, {path: "
               "{type: RegularExpression, value: '/{id}'}}]}]"),
         "[" PATH ": Invalid value: \"/a//b\": must not contain '//' when type one of ['Exact', "
         "'PathPrefix'], spec.rules[0].matches[1].path: Invalid value: \"/{id}\": must only "
         "contain "
         "valid characters (matching ^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|[%][0-9a-fA-F]{2})+$) when "
         "type one of ['Exact', 'PathPrefix']]"},
        {ROUTE("rules: [{backendRefs: [{name: s}, {port: 0, kind: X, group: x.y}]}]"),
         "[spec.rules[0].backendRefs[0]: Invalid value: Must have port for Service reference, "
         "spec.rules[0].backendRefs[1].name: Required value, spec.rules[0].backendRefs[1].port: "
         "Invalid value: 0: must be between 1 and 65535, inclusive]"},
        {INGRESS(
             "rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: "
             "{name: s, port: {name: http}}}}]}}]"),
         ""},
        {INGRESS("rules: [{http: {paths: [{path: a, backend: {service: {name: s}}}]}}]"),
         "[spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified, "
         "spec.rules[0].http.paths[0].path: Invalid value: \"a\": must be an absolute path, "
         "spec.rules[0].http.paths[0].backend.service.port: Required value: port name or number is "
         "required]"}};
    ASSERT_ALL(faults);
}

static void data(void **state)
{
    (void)state;
    static const struct fault faults[] = {
        {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a/b: c, d: e}, binaryData: "
         "{d: ''}}",
         "[data[a/b]: Invalid value: must consist of letters, digits, '-', '_' or '.', binaryData: "
         "Invalid value: \"d\": duplicate of key present in data]"},
        {"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {..data: c, .: d, .a..: e}}",
         "[data[..data]: Invalid value: must not be '.' or start with '..', data[.]: Invalid "
         "value: must not be '.' or start with '..']"},
        {"{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {..: ''}, stringData: {...: "
         "c}}",
         "[data[..]: Invalid value: must not be '.' or start with '..', stringData[...]: Invalid "
         "value: must not be '.' or start with '..']"},
        {"{apiVersion: v1, kind: Secret, metadata: {name: a}, type: kubernetes.io/tls, stringData: "
         "{tls.crt: x}}",
         "data[tls.key]: Required value"},
        {"{apiVersion: v1, kind: ResourceQuota, metadata: {name: a}, spec: {hard: {pods: 1, "
         "requests.cpu: -1, count/jobs.batch: 1, limits.pods: 1}}}",
         "[spec.hard[requests.cpu]: Invalid value: -1: must be greater than or equal to 0, "
         "spec.hard[limits.pods]: Invalid value: \"limits.pods\": must be a standard resource for "
         "quotas]"},
        {"{apiVersion: v1, kind: LimitRange, metadata: {name: a}, spec: {limits: [{type: "
         "Container, "
         "defaultRequest: {cpu: 2}, default: {cpu: 1}}]}}",
         "spec.limits[0].defaultRequest[cpu]: Invalid value: 2: default request value 2 is greater "
         "than default limit value 1"},
        {"{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: a}, rules: "
         "[{resources: [pods]}]}",
         "[rules[0].verbs: Required value: verbs must contain at least one value, "
         "rules[0].apiGroups: Required value: resource rules must supply at least one api group]"},
        {"{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {name: a}, "
         "subjects: [{kind: ServiceAccount, name: s}], roleRef: {kind: Role}}",
         "[subjects[0].namespace: Required value, roleRef.name: Required value]"}};
    ASSERT_ALL(faults);
}

/* Kinds and versions that are not known, and members of any type: nothing breaks. */
static void strangers(void **state)
{
    (void)state;
    static const struct fault faults[] = {{"{apiVersion: apps/v2, kind: Deployment, spec: {}}", ""},
                                          {"{kind: 7}", ""},
                                          {"[]", ""},
                                          {ROUTE("rules: 7, hostnames: x, parentRefs: {}"),
                                           "[spec.parentRefs: Invalid value: must be a list, "
                                           "spec.hostnames: Invalid value: must be a "
                                           "list, spec.rules: Invalid value: must be a list]"}};
    ASSERT_ALL(faults);
}

static void judge(const json_t *object)
{
    struct arena arena = {0};
    struct causes causes = {.arena = &arena};
    kube_rules_check(object, &causes);
    arena_free(&arena);
}

/* Every member below `at` is each of the others in turn. */
/* NOLINTNEXTLINE(misc-no-recursion): the objects are ours. */
static void spoil(const json_t *object, json_t *at, const json_t *others)
{
    size_t count = json_is_array(at) ? json_array_size(at) : 0;
    const char *key;
    void *next;
    json_t *value;
    for (size_t i = 0; i < count; i++) {
        json_t *was = json_incref(json_array_get(at, i));
        for (size_t k = 0; k < json_array_size(others); k++) {
            json_array_set(at, i, json_array_get(others, k));
            judge(object);
        }
        json_array_set(at, i, was);
        spoil(object, was, others);
        json_decref(was);
    }
    json_object_foreach_safe(json_is_object(at) ? at : NULL, next, key, value)
    {
        json_t *was = json_incref(value);
        for (size_t k = 0; k < json_array_size(others); k++) {
            json_object_set(at, key, json_array_get(others, k));
            judge(object);
        }
        json_object_set(at, key, was);
        spoil(object, was, others);
        json_decref(was);
    }
}

/* No schema may have looked at an object before. */
static void members_of_any_type(void **state)
{
    (void)state;
    static const char *const objects[] = {
        DEPLOYMENT("strategy: {rollingUpdate: {maxSurge: 1}}, " CHOSEN TEMPLATE),
        POD("volumes: [{name: a, configMap: {name: c, items: [{key: k, path: p}]}}, {name: b, "
            "projected: {sources: [{secret: {name: s}}]}}, {name: e, ephemeral: "
            "{volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: "
            "{storage: 1Gi}}}}}}], initContainers: [{name: i, image: x}], tolerations: [{key: a}], "
            "topologySpreadConstraints: [{maxSkew: 1, topologyKey: z, whenUnsatisfiable: "
            "DoNotSchedule}], affinity: {podAffinity: "
            "{requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: z}]}}, containers: "
            "[{name: main, image: x, ports: [{name: http, containerPort: 80}], env: [{name: A, "
            "valueFrom: {secretKeyRef: {name: s, key: k}}}], envFrom: [{secretRef: {name: s}}], "
            "volumeMounts: [{name: a, mountPath: /a}], livenessProbe: {httpGet: {port: 80}}, "
            "lifecycle: {preStop: {sleep: {seconds: 5}}}, resources: {requests: {cpu: 1}, limits: "
            "{cpu: 2}}}]"),
        CRON("a", "schedule: '@hourly', "),
        SCALER("maxReplicas: 2, metrics: [{type: Resource, resource: {name: cpu, target: {type: "
               "Utilization}}}]"),
        SERVICE("ports: [{name: a, port: 80, targetPort: http}], loadBalancerSourceRanges: "
                "[10.0.0.0/8], externalIPs: [10.0.0.1]"),
        POLICY("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: "
               "[{port: 80, endPort: 90}]}], policyTypes: [Ingress]"),
        ROUTE("parentRefs: [{name: g}, {name: g}], hostnames: [a.b], rules: [{name: r, matches: "
              "[{path: {value: /a}}], filters: [{type: URLRewrite, urlRewrite: {path: {type: "
              "ReplacePrefixMatch}}}], backendRefs: [{name: s, port: 80}]}]"),
        INGRESS("rules: [{host: a.b, http: {paths: [{path: /, pathType: Prefix, backend: {service: "
                "{name: s, port: {name: http}}}}]}}]"),
        "{apiVersion: v1, kind: LimitRange, spec: {limits: [{type: Container, min: {cpu: 1}, max: "
        "{cpu: 2}}]}}",
        "{apiVersion: v1, kind: Secret, type: a, data: {k: v}, stringData: {k: v}}",
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, subjects: [{kind: "
        "ServiceAccount, name: s}], roleRef: {kind: Role, name: r}}"};
    json_t *others = parse("[null, 7, -1, '', x, true, [], [{}], [7], {}, {a: [7]}]");
    for (size_t i = 0; i < sizeof objects / sizeof *objects; i++) {
        json_t *object = parse(objects[i]);
        spoil(object, object, others);
        json_decref(object);
    }
    json_decref(others);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(containers), cmocka_unit_test(ports),
        cmocka_unit_test(variables),  cmocka_unit_test(probes),
        cmocka_unit_test(resources),  cmocka_unit_test(volumes),
        cmocka_unit_test(places),     cmocka_unit_test(controllers),
        cmocka_unit_test(what_ends),  cmocka_unit_test(how_many),
        cmocka_unit_test(services),   cmocka_unit_test(policies),
        cmocka_unit_test(routes),     cmocka_unit_test(data),
        cmocka_unit_test(strangers),  cmocka_unit_test(members_of_any_type)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
