// Platforms of any names and shapes that the control plane takes: of what the built-in types make of them a cluster
// refuses nothing. `choreo render` says what the simulated cluster would refuse, others' schemas (lib/schemas.js) what
// a real one would besides. CHOREO_SEED is the first platform's, CHOREO_PLATFORMS how many there are.
'use strict';

const {test} = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
const {spawnSync} = require('node:child_process');
const {faultsOf, missing, modelOf, objectsIn, typeOf} = require('../lib/schemas.js');

const first = Number(process.env.CHOREO_SEED || Date.now() % 1e9);
const count = Number(process.env.CHOREO_PLATFORMS || 100);
const choreo = path.join(process.env.CHOREO_BIN || '', 'choreo');

// Mulberry32: numbers from 0 to 1 that a seed repeats.
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function chooser(seed) {
  const next = random(seed);
  const among = list => list[Math.floor(next() * list.length)];
  const maybe = (part, make) => (next() < part ? make() : undefined);
  const letters = 'abcdefghijklmnopqrstuvwxyz', digits = '0123456789';
  // A DNS label, with dashes in a row and of every length; services begin with a letter, endpoints need not.
  const label = ({max = 63, begin = letters} = {}) => {
    const length = Math.min(max, among([1, 3, 8, 15, 16, 30, 50, 56, 63]));
    let text = among(begin);
    while (text.length < length) text += among(letters + digits + '---');
    return text.replace(/-$/, 'x');
  };
  return {among, maybe, label, digits: letters + digits, whole: (from, to) => from + Math.floor(next() * (to - from + 1))};
}

// ---- a platform ----

function gatewayOf(r) {
  const listener = () => ({host: `${r.label({max: 12})}.example.com`, port: r.among([80, 443]),
                           listenerName: r.maybe(0.5, () => r.label({max: 10}))});
  const ingress = () => ({name: r.label({max: 20}), namespace: r.label(), http: r.maybe(0.6, listener),
                          https: r.maybe(0.6, listener)});
  return {ingress: {external: r.maybe(0.7, ingress), internal: r.maybe(0.7, ingress)}};
}

function environmentOf(r, name, namespace) {
  return {apiVersion: 'choreo.dev/v1', kind: 'Environment', metadata: {name, namespace}, spec: {
    dataPlane: 'dp', gateway: r.maybe(0.7, () => gatewayOf(r)), mesh: r.maybe(0.3, () => 'istio'),
    networkPolicy: r.maybe(0.4, () => ({provider: r.among(['kubernetes', 'cilium'])})),
    quotas: r.maybe(0.3, () => ({cpu: '10', memory: '64Gi', pods: 100, storage: '1Ti', 'services.loadbalancers': 0})),
    limits: r.maybe(0.3, () => ({defaultRequest: {cpu: '50m'}, default: {cpu: '1'}, max: {cpu: '4', memory: '8Gi'}})),
    access: r.maybe(0.3, () => [{group: 'oidc:a team/b', role: r.among(['viewer', 'deployer', 'admin'])}]),
    backup: r.maybe(0.2, () => ({schedule: '0 3 * * *'})),
    observability: r.maybe(0.3, () => ({instrumentation: 'otel/x', podAnnotations: {'a.b/c': 'd'}})),
  }};
}

// Ports are their own, or two endpoints would want one; metrics are one endpoint's in a mesh.
function endpointsOf(r, type) {
  const some = r.among([1, 1, 2, 4, 20]), names = new Set();
  while (names.size < some) names.add(r.label({begin: r.digits}));
  return [...names].map((name, i) => ({
    name, port: 1000 + i, targetPort: r.maybe(0.4, () => r.whole(1, 65535)),
    type: i === 0 && type === 'web-application' ? 'HTTP' : r.among(['HTTP', 'gRPC', 'GraphQL', 'Websocket', 'TCP', 'UDP']),
    visibility: r.among(['project', 'organization', 'internal', 'public']),
    path: r.maybe(0.5, () => r.among(['/', '/a b', '/{id}', '/a//b', '/api/v1/', '/%41', '/\u00fc', '/..'])),
  }));
}

function runningOf(r) {
  const scaling = r.maybe(0.3, () => ({minReplicas: 2, maxReplicas: 5, memoryPercent: r.maybe(0.5, () => 70)}));
  return {
    autoscaling: scaling, replicas: scaling ? undefined : r.among([undefined, 0, 1, 3]),
    probes: r.maybe(0.4, () => ({[r.among(['liveness', 'readiness', 'startup'])]: {
      path: r.among([undefined, '/', '/a b']), port: 99, periodSeconds: 3}})),
    shutdown: r.maybe(0.3, () => r.among([{gracePeriodSeconds: 0}, {delaySeconds: 40},
      {delaySeconds: 5, gracePeriodSeconds: 5}, {command: ['sleep', '1']}])),
    zoneSpread: r.among([undefined, 'require', 'none']),
  };
}

function componentOf(r, project, namespace, dependencies) {
  const type = r.among(['service', 'service', 'web-application', 'worker', 'scheduled-task']);
  const listens = type === 'service' || type === 'web-application';
  const volumes = r.maybe(0.4, () => [
    {name: r.label({max: 56}), mountPath: '/data', size: '1Gi', accessMode: 'ReadWriteMany'},
    {name: `x${r.label({max: 55})}`, mountPath: '/scratch', ephemeral: true}]);
  return {apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name: r.label(), namespace}, spec: {
    project, type, image: 'registry.example.com:5000/a/b:1', volumes, dependencies,
    endpoints: listens ? endpointsOf(r, type) : undefined,
    ...(type === 'scheduled-task' ? {schedule: '*/5 * * * *', parameters: {timeZone: 'Europe/Berlin'}} : runningOf(r)),
    env: r.maybe(0.4, () => [{name: r.among(['A', 'B.c', 'my-env', '_x']), value: r.among(['', '$(A)', ' '])}]),
    files: r.maybe(0.5, () => [{name: 'a.b', mountPath: '/etc/a', value: 'x'}, {name: 'a.b', mountPath: '/etc/b/', value: ''},
                               {name: 'a-b', mountPath: '/etc/a', value: 'y'}]),
    resources: r.maybe(0.4, () => ({[r.among(['requests', 'limits'])]: {cpu: '100m', memory: '512Mi'}})),
    security: r.among([undefined, {runAsNonRoot: true}, {runAsUser: 65532, fsGroup: 1}, {addCapabilities: ['CHOWN']}]),
  }};
}

// Resources of all types, by the operators that the plane has, or without any.
function platformOf(seed) {
  const r = chooser(seed);
  const namespace = r.label(), project = r.label(), environment = r.label();
  const operators = r.maybe(0.4, () => ({'choreo.dev/postgres-provider': 'cloudnative-pg',
                                         'choreo.dev/redis-provider': 'redis-operator'}));
  const dependencies = ['postgres', 'redis', 'nats'].map(type => r.maybe(0.2, () => ({type, name: r.label()}))).filter(Boolean);
  const resources = ['postgres', 'redis', 'nats'].map(type => r.maybe(0.3, () => ({
    apiVersion: 'choreo.dev/v1', kind: 'Resource', metadata: {name: r.label(), namespace}, spec: {project, type}})));
  return [
    {apiVersion: 'choreo.dev/v1', kind: 'Organization', metadata: {name: namespace}, spec: {}},
    {apiVersion: 'choreo.dev/v1', kind: 'DataPlane', metadata: {name: 'dp', annotations: operators},
     spec: {type: 'single-cluster'}},
    environmentOf(r, environment, namespace),
    {apiVersion: 'choreo.dev/v1', kind: 'DeploymentPipeline', metadata: {name: 'to', namespace},
     spec: {promotionPaths: [{sourceEnvironmentRef: {name: environment}, targetEnvironmentRefs: []}]}},
    {apiVersion: 'choreo.dev/v1', kind: 'Project', metadata: {name: project, namespace},
     spec: {deploymentPipeline: 'to'}},
    ...resources.filter(Boolean),
    componentOf(r, project, namespace, dependencies.length > 0 ? dependencies : undefined),
  ];
}

// ---- the test ----

// What is no fault of the rendering: what a component needs of a database is known once there is one, and of names that
// only CloudNativePG would refuse its form says so, for nothing else may be named anew.
const expected = /whose outputs are not known without its cluster|CloudNativePG takes names of at most 50 characters/;

test('built-in types make what clusters take', {skip: missing || !process.env.CHOREO_BIN && 'CHOREO_BIN is not set'},
     async t => {
  const models = new Map(), faults = [];
  let judged = 0;
  t.diagnostic(`CHOREO_SEED=${first}`);
  for (let seed = first; seed < first + count; seed++) {
    const manifests = platformOf(seed).map(object => JSON.stringify(object)).join('\n---\n');
    const {stdout, stderr, error} = spawnSync(choreo, ['render', '-f', '-', '-o', 'json'],
                                              {input: manifests, encoding: 'utf8', timeout: 20000});
    if (error) throw error;
    faults.push(...stderr.split('\n').filter(line => line !== '' && !expected.test(line)).map(line => `${seed}: ${line}`));
    for (const object of objectsIn(stdout.trim() === '' ? [] : JSON.parse(stdout).items)) {
      if (!models.has(typeOf(object))) models.set(typeOf(object), await modelOf(object));
      const model = models.get(typeOf(object));
      if (model) faults.push(...faultsOf(model, object).map(fault => `${seed}: ${object.metadata.name}: ${fault}`));
      judged++;
    }
  }
  t.diagnostic(`${judged} objects of ${models.size} kinds`);
  assert.deepEqual(faults, []);
  assert.ok(judged > count, `only ${judged} objects were rendered`);
});
