// What the goldens say goes to clusters, judged by schemas that are not ours: those that kubernetes-models makes of
// Kubernetes' OpenAPI and of the definitions of the operators whose kinds we render. Members that a schema does not
// know are faults, as in kubectl's strict validation.
//
// The schemas come as functions, and none of them minds a member that it does not know. But each looks at every member
// that it does know, so what nobody looks at (watched()) is unknown. An object of which nobody looks at anything may
// hold what it likes.
//
// A kind for which no schema can be had is in `unchecked` and told; one that is in neither is a fault.
'use strict';

const {test, before} = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');

const unit = path.join(__dirname, '../unit');
const modules = path.join(__dirname, '../node_modules');
module.paths.push(modules);

// Group -> package of its models; what is not listed is Kubernetes' own.
const packages = {
  'argoproj.io': '@kubernetes-models/argo-workflows',
  'external-secrets.io': '@kubernetes-models/external-secrets',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'networking.istio.io': '@kubernetes-models/istio',
  'security.istio.io': '@kubernetes-models/istio',
};

const unchecked = {
  'cilium.io/v2 CiliumNetworkPolicy': 'no package has its schema',
  'example.com/v1 Budget': 'a made-up kind',
  'example.com/v1 Sample': 'a made-up kind',
  'postgresql.cnpg.io/v1 Cluster': 'no package has its schema',
  'redis.redis.opstreelabs.in/v1beta2 RedisReplication': 'no package has its schema',
  'velero.io/v1 Schedule': 'no package has its schema',
};

// ---- what there is to judge ----

const ours = api => /^(.*\.)?(choreo|openchoreo)\.dev\//.test(api);
const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);

// Every object for a cluster in `value`, wherever it stands; templates are none yet.
function* objectsIn(value) {
  if (isObject(value) && typeof value.apiVersion === 'string' && typeof value.kind === 'string' &&
      isObject(value.metadata) && !ours(value.apiVersion)) {
    if (!JSON.stringify(value).includes('${')) yield value;
    return;
  }
  for (const member of typeof value === 'object' && value !== null ? Object.values(value) : []) yield* objectsIn(member);
}

// Dates are texts in the JSON that is sent.
const asSent = value => JSON.parse(JSON.stringify(value));

function* goldens() {
  const yaml = require('js-yaml');
  for (const folder of ['render', 'reconcile']) {
    const data = path.join(unit, folder, 'data');
    for (const name of fs.readdirSync(data).filter(name => name.endsWith('.out.yaml')).sort()) {
      const text = fs.readFileSync(path.join(data, name), 'utf8').replace(/@[A-Z]+@/g, 'x');  // hashes, left open
      for (const document of yaml.loadAll(text)) {
        for (const object of objectsIn(document)) yield {where: `${folder}/data/${name}`, object: asSent(object)};
      }
    }
  }
}

// ---- judging ----

// The value, which remembers what of it was looked at; where is its path, seen the list of all such.
function watched(value, where, seen) {
  if (typeof value !== 'object' || value === null) return value;
  const entry = {value, where, asked: new Set(), all: Array.isArray(value)};
  const members = new Map();
  seen.push(entry);
  return new Proxy(value, {
    get(target, key) {
      entry.asked.add(key);
      if (!Object.hasOwn(target, key)) return target[key];
      if (!members.has(key)) {
        members.set(key, watched(target[key], Array.isArray(target) ? `${where}[${key}]` : `${where}.${key}`, seen));
      }
      return members.get(key);
    },
    ownKeys(target) {
      entry.all = true;
      return Reflect.ownKeys(target);
    },
  });
}

async function modelOf({apiVersion, kind}) {
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
  try {
    return (await import(`${packages[group] || 'kubernetes-models'}/${apiVersion}/${kind}`))[kind];
  } catch (error) {
    if (!['ERR_MODULE_NOT_FOUND', 'ERR_PACKAGE_PATH_NOT_EXPORTED'].includes(error.code)) throw error;
    return undefined;
  }
}

// All that is wrong with the object, as lines.
function faultsOf(model, object) {
  const seen = [], faults = [];
  try {
    model.prototype.validate.call(watched(object, object.kind, seen));
  } catch (error) {
    if (!Array.isArray(error.errors)) throw error;
    faults.push(...error.errors.map(one => `${object.kind}${one.instancePath}: ${one.message}`));
  }
  for (const {value, where, asked, all} of seen) {
    if (all || asked.size === 0) continue;
    faults.push(...Object.keys(value).filter(key => !asked.has(key)).map(key => `${where}.${key}: unknown`));
  }
  return faults;
}

// ---- tests ----

const models = new Map();  // 'apps/v1 Deployment' -> the model, or undefined
const typeOf = object => `${object.apiVersion} ${object.kind}`;
let all;

before(async () => {
  all = [...goldens()];
  for (const {object} of all) {
    if (!models.has(typeOf(object))) models.set(typeOf(object), await modelOf(object));
  }
});

const skip = !fs.existsSync(path.join(modules, 'kubernetes-models')) && 'the npm packages of tests/ are not there';

test('what is wrong is found', {skip}, async () => {
  const service = port => ({apiVersion: 'v1', kind: 'Service', metadata: {name: 'a', labels: {any: 'b'}},
                            spec: {selector: {any: 'c'}, ports: [port]}});
  const faults = async object => faultsOf(await modelOf(object), object);
  assert.deepEqual(await faults(service({port: 80})), []);
  assert.deepEqual(await faults(service({port: '80'})), ['Service/spec/ports/0/port: must be integer']);
  assert.deepEqual(await faults(service({port: 80, prot: 'TCP'})), ['Service.spec.ports[0].prot: unknown']);
  assert.deepEqual(await faults(service({name: 'a'})),
                   ['Service/spec/ports/0: must have required property port']);
  assert.deepEqual(await faults({...service({port: 80}), specs: {}}), ['Service.specs: unknown']);
  const route = {apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: {name: 'a'},
                 spec: {rules: [{matches: [{path: {type: 'Prefix', value: '/'}}]}]}};
  assert.deepEqual(await faults(route),
                   ['HTTPRoute/spec/rules/0/matches/0/path/type: must be equal to one of the allowed values']);
});

test('every kind is judged, or known to be not', {skip}, t => {
  for (const [type, model] of models) {
    const why = unchecked[type];
    assert.ok(model !== undefined || why !== undefined, `${type}: no schema, and no word of it in this test`);
    assert.ok(model === undefined || why === undefined, `${type} has a schema now: it is unchecked no more`);
    if (model === undefined) t.diagnostic(`not checked: ${type}, ${why}`);
  }
  for (const type of Object.keys(unchecked)) {
    assert.ok(models.has(type), `${type} is in no golden: it need not be listed as unchecked`);
  }
});

test('clusters would take what the goldens hold', {skip}, t => {
  const faults = [];
  let count = 0;
  for (const {where, object} of all) {
    const model = models.get(typeOf(object));
    if (model === undefined) continue;
    count++;
    faults.push(...faultsOf(model, object).map(fault => `${where}: ${object.metadata.name}: ${fault}`));
  }
  t.diagnostic(`${count} objects of ${[...models.values()].filter(Boolean).length} kinds`);
  assert.ok(count > 200, `only ${count} objects were found`);
  assert.deepEqual(faults, []);
});
