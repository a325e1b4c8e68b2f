// schemas.js: objects for clusters, judged by schemas that are not ours: those that kubernetes-models makes of
// Kubernetes' OpenAPI and of the definitions of the operators whose kinds we render. Members that a schema does not
// know are faults, as in kubectl's strict validation.
//
//   for (const object of objectsIn(tree)) { const model = await modelOf(object); faultsOf(model, object) }
//
// The schemas come as functions, and none of them minds a member that it does not know. But each looks at every member
// that it does know, so what nobody looks at (watched()) is unknown. An object of which nobody looks at anything may
// hold what it likes.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const modules = path.join(__dirname, '../node_modules');
const missing = !fs.existsSync(path.join(modules, 'kubernetes-models')) && 'the npm packages of tests/ are not there';

// Group -> package of its models; what is not listed is Kubernetes' own.
const packages = {
  'argoproj.io': '@kubernetes-models/argo-workflows',
  'external-secrets.io': '@kubernetes-models/external-secrets',
  'gateway.networking.k8s.io': '@kubernetes-models/gateway-api',
  'monitoring.coreos.com': '@kubernetes-models/prometheus-operator',
  'networking.istio.io': '@kubernetes-models/istio',
  'security.istio.io': '@kubernetes-models/istio',
};

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

const typeOf = object => `${object.apiVersion} ${object.kind}`;

module.exports = {faultsOf, missing, modelOf, objectsIn, typeOf};
