// Every kind through both doors: what one of them is given the other one shows, field for field, and
// so do their watches. Objects are made from each kind's own schema, as full as its rules let them be;
// typed ones are taken apart and put together by protobufjs, which shares no code with us.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const path = require('node:path');
module.paths.push(path.join(__dirname, '../node_modules'));
const {start} = require('../lib/server.js');
const {until} = require('../lib/cluster.js');
const rest = require('../lib/rest.js');
const {proto, client, json, parse, encode, decode} = require('../lib/grpc.js');

const DEPTH = 12, HEALS = 60;
let server, api, resources, kinds;

before(async () => {
  server = await start();
  api = rest.client(server);
  resources = client(proto.choreo.v1.ResourceService, server);
  kinds = (await resources.call('Kinds', {})).kinds;
}, {timeout: 30000});
after(async () => {
  api?.close();
  resources?.close();
  assert.equal(await server?.stop(), 0);
});

// ---- objects from schemas ----

function sample(schema, definitions, depth = 0) {
  if (schema.allOf?.length === 1) return sample(schema.allOf[0], definitions, depth);
  if (schema.$ref) return sample(definitions[schema.$ref.split('/').pop()], definitions, depth + 1);
  if (schema.enum) return schema.enum[0];
  if (schema.anyOf || schema['x-kubernetes-int-or-string']) return 2;
  switch (schema.type) {
    case 'string':
      return schema.format === 'date-time' ? '2026-01-02T03:04:05Z' : schema.format === 'byte' ? 'aGVsbG8='
          : schema.pattern === '^/' ? '/path' : 'text'.slice(0, schema.maxLength ?? 4);
    case 'integer': return Math.min(Math.max(schema.minimum ?? 3, 3), schema.maximum ?? 3);
    case 'number': return 0.25;
    case 'boolean': return true;
    case 'array': return depth < DEPTH && schema.items ? [sample(schema.items, definitions, depth)] : [];
  }
  if (depth >= DEPTH) return {};
  const value = {};
  for (const [name, member] of Object.entries(schema.properties ?? {})) value[name] = sample(member, definitions, depth);
  if (typeof schema.additionalProperties === 'object') value.key = sample(schema.additionalProperties, definitions, depth);
  return value;
}

// Removes what a cause names, or, of what is missing, the object that misses it. A list goes with its
// last item: messages cannot tell an empty one from none.
function heal(object, {field, message}) {
  const steps = field.split(/[.[\]]+/).filter(Boolean);
  if (/Required value/.test(message)) steps.pop();
  const at = steps.map((_, i) => steps.slice(0, i).reduce((value, step) => value?.[step], object));
  let i = steps.length - 1;
  if (i < 0 || at[i] === undefined) return false;
  if (Array.isArray(at[i]) && at[i].length === 1) i--;
  if (Array.isArray(at[i])) at[i].splice(Number(steps[i]), 1);
  else delete at[i][steps[i]];
  return true;
}

const SERVERS = ['uid', 'resourceVersion', 'generation', 'creationTimestamp', 'deletionTimestamp',
                 'deletionGracePeriodSeconds', 'managedFields', 'selfLink', 'generateName'];
const BINDING = {roleRef: {apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view'},
  subjects: [{kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'ada'}]};
// A pod that a cluster takes: what is in one must fit together, which no sample of a schema does.
const LABELS = {matchLabels: {a: 'b'}};
const POD = {
  containers: [{
    name: 'text', image: 'nginx', imagePullPolicy: 'Always', command: ['a'], args: ['b'], workingDir: '/w',
    ports: [{name: 'http', containerPort: 80, protocol: 'TCP'}],
    env: [{name: 'A', value: 'b'}, {name: 'C', valueFrom: {secretKeyRef: {name: 's', key: 'k', optional: true}}}],
    envFrom: [{configMapRef: {name: 'c'}, prefix: 'P_'}],
    resources: {limits: {cpu: '1', memory: '64Mi'}, requests: {cpu: '100m'}},
    volumeMounts: [{name: 'data', mountPath: '/data', readOnly: true}],
    livenessProbe: {httpGet: {path: '/', port: 'http'}, periodSeconds: 5},
    readinessProbe: {tcpSocket: {port: 80}}, startupProbe: {exec: {command: ['true']}},
    lifecycle: {preStop: {exec: {command: ['true']}}},
    securityContext: {runAsNonRoot: true, capabilities: {drop: ['ALL']}},
  }],
  initContainers: [{name: 'init', image: 'busybox'}],
  volumes: [{name: 'data', emptyDir: {sizeLimit: '1Gi'}}, {name: 'files', configMap: {name: 'c', defaultMode: 420}}],
  affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [
    {weight: 1, podAffinityTerm: {topologyKey: 'kubernetes.io/hostname', labelSelector: LABELS}}]}},
  topologySpreadConstraints: [
    {maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', labelSelector: LABELS}],
  tolerations: [{key: 'a', operator: 'Equal', value: 'b', effect: 'NoSchedule'}],
  hostAliases: [{ip: '10.0.0.1', hostnames: ['a']}], imagePullSecrets: [{name: 'x'}],
  securityContext: {fsGroup: 3, seccompProfile: {type: 'RuntimeDefault'}}, nodeSelector: {a: 'b'},
  serviceAccountName: 'text', terminationGracePeriodSeconds: 3, dnsPolicy: 'ClusterFirst', priorityClassName: 'text',
};
const TEMPLATE = {metadata: {labels: {a: 'b'}}, spec: POD};
const JOB = {backoffLimit: 3, parallelism: 2, completions: 2, ttlSecondsAfterFinished: 3,
  template: {...TEMPLATE, spec: {...POD, restartPolicy: 'Never'}}};
const CLAIM = {accessModes: ['ReadWriteOnce'], resources: {requests: {storage: '1Gi'}}, storageClassName: 'text',
  volumeMode: 'Filesystem'};
const spec = of => ({body: () => ({spec: structuredClone(of)})});

// Names that are more than names, and values that fit each other.
const NAMED = {
  customresourcedefinitions: {
    name: n => `${n}s.doors.example.com`,
    body: n => ({spec: {group: 'doors.example.com', scope: 'Namespaced', names: {plural: `${n}s`, kind: n},
      versions: [{name: 'v1', served: true, storage: true, schema: {openAPIV3Schema: {
        type: 'object', properties: {a: {type: 'string', default: 'b'}}}}}]}}),
  },
  pods: spec({...POD, restartPolicy: 'Always'}),
  deployments: spec({replicas: 3, minReadySeconds: 3, paused: true, progressDeadlineSeconds: 30, selector: LABELS,
    strategy: {type: 'RollingUpdate', rollingUpdate: {maxSurge: 2, maxUnavailable: '50%'}}, template: TEMPLATE}),
  statefulsets: spec({replicas: 3, serviceName: 'text', podManagementPolicy: 'Parallel', selector: LABELS,
    template: TEMPLATE, volumeClaimTemplates: [{metadata: {name: 'more'}, spec: CLAIM}],
    persistentVolumeClaimRetentionPolicy: {whenDeleted: 'Delete', whenScaled: 'Retain'}}),
  daemonsets: spec({minReadySeconds: 3, selector: LABELS, template: TEMPLATE,
    updateStrategy: {type: 'RollingUpdate', rollingUpdate: {maxUnavailable: 1}}}),
  replicasets: spec({replicas: 3, selector: LABELS, template: TEMPLATE}),
  jobs: spec(JOB),
  cronjobs: spec({schedule: '0 3 * * *', timeZone: 'Etc/UTC', concurrencyPolicy: 'Forbid', suspend: true,
    jobTemplate: {metadata: {labels: {a: 'b'}}, spec: JOB}}),
  persistentvolumeclaims: spec(CLAIM),
  services: spec({type: 'ClusterIP', selector: {a: 'b'}, sessionAffinity: 'None', ipFamilyPolicy: 'SingleStack',
    internalTrafficPolicy: 'Cluster', publishNotReadyAddresses: true,
    ports: [{name: 'http', port: 80, targetPort: 'http', protocol: 'TCP', appProtocol: 'http'}]}),
  resourcequotas: spec({hard: {pods: '3', 'requests.cpu': '1'}, scopes: ['NotTerminating']}),
  clusterrolebindings: {body: () => BINDING},
  rolebindings: {body: () => BINDING},
  releaseapprovals: {body: () => ({spec: {component: 'web', release: 'web-1', environment: 'production'}})},
  testresults: {body: () => ({spec: {component: 'web', release: 'web-1', environment: 'development', test: 'smoke',
    passed: true, url: 'https://ci.example.com/1'}})},
  workflowruns: {body: (n, {group}) => group === 'choreo.dev' ? {spec: {workflow: {name: 'smoke-test'}, timeLimit: '1h',
    owner: {componentName: 'web', projectName: 'default'}, ttlAfterCompletion: '1h', triggeredBy: 'ada',
    source: {git: {repository: 'https://git.example.com/web.git', branch: 'main'}, path: '.'},
    test: {name: 'smoke', environment: 'development', releaseName: 'web-1'}}} : {}},
  releasesets: {body: () => ({spec: {project: 'default', environment: 'production', reason: 'text',
    releases: [{component: 'web', release: 'web-1'}]}})},
  events: { // one object, seen in two ways
    name: (n, {group}) => group ? `${n}-new` : n,
    body: (n, {group}) => group ? {type: 'Normal', eventTime: '2026-01-02T03:04:05.000007Z'} : {type: 'Normal'}},
};

// What decides over releases is not for every client to write: both doors refuse it alike.
const GUARDED = {
  renderedreleases: /are made by the control plane alone/,
  releaseapprovals: /is an author of release "web-1": somebody else has to approve it/,
};

// What approvals and results are about.
async function prepareRelease() {
  const made = [
    ['projects', {spec: {}}, 'default'],
    ['components', {spec: {image: 'nginx', project: 'default'}}, 'web'],
    ['releases', {spec: {owner: {projectName: 'default', componentName: 'web'},
      componentType: {kind: 'ClusterComponentType', name: 'service', spec: {workloadType: 'deployment', resources: [{id: 'a', template: {}}]}},
      workload: {container: {image: 'nginx'}}}}, 'web-1'],
    ['deploymentpipelines', {spec: {promotionPaths: [{sourceEnvironmentRef: {name: 'development'},
      targetEnvironmentRefs: [{name: 'production', requiresApproval: true}]}]}}, 'default'],
  ];
  for (const [plural, body, name] of made) {
    const {status, text} = await api.ask('POST', `/apis/choreo.dev/v1/namespaces/default/${plural}`, {body: {...body, metadata: {name}}});
    assert.equal(status, 201, text);
  }
}

async function refused(kind) {
  const body = await bodyOf(kind);
  body.metadata = {...body.metadata, name: 'one'};
  const {status, json: answer} = await api.ask('POST', pathOf(kind), {body});
  assert.equal(status, 403, answer.message);
  assert.match(answer.message, GUARDED[kind.plural]);
  await assert.rejects(resources.call('Create', {ref: refOf(kind), object: json(body)}),
      error => error.code === 7 && error.details === answer.message);
}

async function bodyOf(kind) {
  const {json_schema: bytes} = await resources.call('Schema', {ref: refOf(kind)});
  const object = {apiVersion: kind.group ? `${kind.group}/${kind.version}` : kind.version, kind: kind.kind};
  if (!bytes?.length) return {...object, spec: {any: {thing: [1, 'two', {three: null}]}, number: 0.5}};
  const schema = JSON.parse(bytes.toString());
  const full = sample(schema, schema.definitions ?? {});
  delete full.status;
  SERVERS.forEach(name => delete full.metadata[name]);
  full.metadata = {...full.metadata, namespace: undefined, finalizers: ['example.com/hold'],
    labels: {'example.com/a': 'b'}, annotations: {note: 'text "quoted" \u20ac'},
    ownerReferences: [{apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: 'some-uid', controller: true}]};
  // Kubernetes' messages leave the type of an object within another out.
  full.spec?.volumeClaimTemplates?.forEach(claim => { delete claim.apiVersion; delete claim.kind; });
  return JSON.parse(JSON.stringify({...full, ...object, ...NAMED[kind.plural]?.body('one', kind)}));
}

// ---- both doors ----

const refOf = (kind, name) => ({group: kind.group, version: kind.version, resource: kind.plural,
  ...(kind.namespaced ? {namespace: 'default'} : {}), ...(name ? {name} : {})});
const pathOf = kind => (kind.group ? `/apis/${kind.group}/${kind.version}` : `/api/${kind.version}`) +
    (kind.namespaced ? '/namespaces/default/' : '/') + kind.plural;

async function createByRest(kind, body) {
  for (let tries = 0; tries < HEALS; tries++) {
    const {status, json: answer} = await api.ask('POST', `${pathOf(kind)}?fieldManager=doors&fieldValidation=Strict`, {body});
    if (status === 201) return answer;
    const causes = answer.details?.causes ?? [];
    assert.ok(status === 422 && causes.length && heal(body, causes[0]), `${kind.kind}: ${answer.message}\n${JSON.stringify(body)}`);
  }
  assert.fail(`${kind.kind}: no valid object: ${JSON.stringify(body)}`);
}

// What must not differ between two objects made alike, by us.
function substance(object) {
  const copy = structuredClone(object);
  for (const name of ['name', 'uid', 'resourceVersion', 'creationTimestamp']) delete copy.metadata[name];
  copy.metadata.managedFields = copy.metadata.managedFields.filter(entry => entry.manager === 'doors');
  copy.metadata.managedFields.forEach(entry => delete entry.time);
  if (copy.kind === 'TestResult') delete copy.spec.at;
  if (copy.kind === 'Namespace') delete copy.metadata.labels['kubernetes.io/metadata.name'];
  if (copy.kind === 'CustomResourceDefinition') {
    delete copy.spec.names;
    delete copy.status;
  }
  return copy;
}

// A definition becomes established by itself; all else stays as it was made.
async function settled(kind, made) {
  if (kind.plural !== 'customresourcedefinitions') return made;
  return until('established', async () => {
    const {json: now} = await api.ask('GET', `${pathOf(kind)}/${made.metadata.name}`);
    return now.status?.conditions?.some(c => c.type === 'Established' && c.status === 'True') && now;
  });
}

// The same object under another name, for a create.
function renamed(object, name, kind) {
  const copy = structuredClone(object);
  copy.metadata.name = NAMED[kind.plural]?.name?.(name, kind) ?? name;
  for (const member of SERVERS) delete copy.metadata[member];
  if (kind.plural !== 'namespaces') delete copy.status;
  if (NAMED[kind.plural]?.name && copy.spec) copy.spec.names = NAMED[kind.plural].body(name).spec.names;
  return copy;
}

const get = async (kind, name, form) => (await resources.call('Get', {ref: refOf(kind, name), form})).object;

function watchByGrpc(kind, form, since) {
  const events = [];
  const stream = resources.stub.Watch({ref: refOf(kind), form, resource_version: since}, resources.metadata());
  stream.on('data', event => { if (['ADDED', 'MODIFIED', 'DELETED'].includes(event.type)) events.push(event); });
  stream.on('error', () => {});
  return {events, stop: () => stream.cancel()};
}

async function through(kind, t) {
  const name = n => NAMED[kind.plural]?.name?.(n, kind) ?? n;
  const since = (await api.ask('GET', pathOf(kind))).json.metadata.resourceVersion;
  const seen = [];
  const watch = api.watch(`${pathOf(kind)}?watch=1&resourceVersion=${since}`, event => seen.push(event));
  const plain = watchByGrpc(kind, 'FORM_JSON', since);
  const typed = watchByGrpc(kind, 'FORM_TYPED', since);
  t.after(() => { watch.cut(); plain.stop(); typed.stop(); });

  // Made by REST, read by both.
  const body = await bodyOf(kind);
  body.metadata ??= {};
  body.metadata.name = name('one');
  const one = await settled(kind, await createByRest(kind, body));
  const read = (await api.ask('GET', `${pathOf(kind)}/${name('one')}`)).json;
  assert.deepEqual(read, one);
  assert.deepEqual(parse(await get(kind, name('one'), 'FORM_JSON')), one);
  const listed = await resources.call('List', {ref: refOf(kind), form: 'FORM_JSON', field_selector: `metadata.name=${name('one')}`});
  assert.deepEqual(listed.objects.map(parse), [one]);

  // Made by gRPC, of a message where the kind has one, read by REST.
  const message = await get(kind, name('one'), 'FORM_TYPED');
  assert.equal(Boolean(message.typed), Boolean(kind.message), 'typed if there is a type');
  const made = ['two', 'three'];
  if (message.typed) {
    assert.equal(message.typed.type_url.split('/').pop(), kind.message);
    const taken = renamed(decode(kind.message, message.typed.value), 'two', kind);
    const value = encode(kind.message, taken);
    await resources.call('Create', {ref: refOf(kind), object: {typed: {type_url: message.typed.type_url, value}}, options: {field_manager: 'doors'}});
  } else {
    await resources.call('Create', {ref: refOf(kind), object: json(renamed(one, 'two', kind)), options: {field_manager: 'doors'}});
  }
  await resources.call('Create', {ref: refOf(kind), object: json(renamed(one, 'three', kind)), options: {field_manager: 'doors'}});
  for (const n of made) {
    const other = await settled(kind, (await api.ask('GET', `${pathOf(kind)}/${name(n)}`)).json);
    assert.deepEqual(substance(other), substance(one), n);
  }

  // Changed and deleted, by one door each.
  const patched = await api.ask('PATCH', `${pathOf(kind)}/${name('two')}?fieldManager=doors`,
      {type: 'application/merge-patch+json', body: {metadata: {labels: {changed: 'yes'}, finalizers: null}}});
  assert.equal(patched.status, 200, patched.text);
  assert.deepEqual(parse(await get(kind, name('two'), 'FORM_JSON')), patched.json);
  await resources.call('Patch', {ref: refOf(kind, name('three')), patch: Buffer.from('{"metadata":{"labels":{"changed":"yes"},"finalizers":null}}'),
    options: {field_manager: 'doors'}, form: 'FORM_JSON'});
  await resources.call('Delete', {ref: refOf(kind, name('two'))});
  assert.equal((await api.ask('DELETE', `${pathOf(kind)}/${name('three')}`)).status, 200);
  await until('the end', async () => (await api.ask('GET', `${pathOf(kind)}/${name('two')}`)).status === 404);

  // The watches tell the same story.
  const story = ['ADDED', 'ADDED', 'ADDED', 'MODIFIED', 'MODIFIED', 'DELETED', 'DELETED'];
  const over = events => events.filter(e => e.type === 'DELETED').length === 2;
  await until('all events', () => [seen, plain.events, typed.events].every(over), 5000);
  if (kind.plural !== 'customresourcedefinitions') {
    assert.deepEqual(seen.map(e => e.type), story);
    assert.deepEqual(seen[0].object, one);
    if (kind.message) assert.deepEqual(typed.events[0].object.typed, message.typed);
  }
  assert.deepEqual(plain.events.map(e => [e.type, parse(e.object)]), seen.map(e => [e.type, e.object]));
  for (const {events} of [plain, typed]) {
    assert.deepEqual(events.map(e => [e.type, e.resource_version]), seen.map(e => [e.type, e.object.metadata.resourceVersion]));
  }
  return one;
}

test('every kind', {timeout: 120000}, async t => {
  const makeable = kinds.filter(kind => kind.verbs.includes('create') && kind.verbs.includes('watch'));
  assert.ok(makeable.length > 40, `${makeable.length} kinds`);
  await prepareRelease();
  for (const kind of makeable) {
    if (kind.group === 'choreo.dev' && GUARDED[kind.plural]) {
      await t.test(`${kind.kind}.${kind.group}, refused`, () => refused(kind));
      continue;
    }
    await t.test(`${kind.kind}.${kind.group ?? ''}`, async inner => {
      const one = await through(kind, inner);
      inner.diagnostic(`${JSON.stringify(one.spec ?? one).length} bytes of substance`);
    });
  }
});
