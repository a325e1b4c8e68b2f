// A DataPlane of one namespace (OpenChoreo's): its kubeconfig lies in the namespace, what is in that
// namespace runs on its cluster, and nobody else reaches it, by whatever name. On a node with four
// shards, so that the namespaces and the planes are in different ones.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const {start, until} = require('../lib/cluster.js');
const {platform, global, condition} = require('../lib/platform.js');

let cluster, failed = false;

before(async () => {
  cluster = await start({nodes: 1, shards: 4, planes: 'shared/shared:eu,spare/spare:us'});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 120000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

const {apply, on} = platform(() => cluster);
const ours = (ns, kind, name, spec) => ({apiVersion: 'choreo.dev/v1', kind, metadata: {name, namespace: ns}, spec});
const theirs = (ns, kind, name, spec) =>
  ({apiVersion: 'openchoreo.dev/v1alpha1', kind, metadata: {name, namespace: ns}, spec});
const get = async (ns, ...words) =>
  JSON.parse(await cluster.choreo('get', ...words, ...(ns ? ['-n', ns] : []), '-o', 'json'));
const absent = (ns, ...words) => get(ns, ...words).then(() => false, error => /not found/.test(error.stderr));
const ready = async (ns, kind, name) => condition(await get(ns, kind, name), 'Ready');
const agent = {clusterAgent: {clientCA: {value: 'x'}}};
const credentials = (ns, name) => ({
  apiVersion: 'v1', kind: 'Secret', metadata: {name: `cluster-${name}-${name}`, namespace: ns},
  stringData: {kubeconfig: fs.readFileSync(cluster.dev.planes.find(p => p.name === 'spare').kubeconfig, 'utf8')},
});
const shop = ns => [
  ours(ns, 'DeploymentPipeline', 'direct', {promotionPaths: [{sourceEnvironmentRef: {name: 'live'}, targetEnvironmentRefs: []}]}),
  ours(ns, 'Project', 'shop', {deploymentPipeline: 'direct'}),
  ours(ns, 'Component', 'web', {project: 'shop', image: 'nginx:1.27', endpoints: [{name: 'http', port: 80}]}),
];
const namespaces = async () => (await on('spare', 'deployments'))
  .map(d => d.metadata.labels['openchoreo.dev/namespace']).sort().join();

check('what is in the namespace runs on its cluster', async () => {
  await apply(global('Organization', 'acme', {}), global('Organization', 'other', {}));
  await apply(theirs('acme', 'DataPlane', 'edge', agent));
  await until('the lack of a kubeconfig', async () =>
    /Secret acme\/cluster-edge-edge/.test((await ready('acme', 'dataplane.openchoreo.dev', 'edge'))?.message), 20000);
  await apply(credentials('acme', 'edge'));
  await until('the plane', async () =>
    (await ready('acme', 'dataplane.openchoreo.dev', 'edge'))?.status === 'True', 20000);
  await apply(theirs('acme', 'Environment', 'live', {dataPlaneRef: {kind: 'DataPlane', name: 'edge'}}), ...shop('acme'));
  await until('the component', async () => (await ready('acme', 'component', 'web'))?.status === 'True', 20000);
  assert.equal(await namespaces(), 'acme');
  assert.equal((await get('acme', 'environment', 'live')).spec.dataPlane, 'acme.edge');
});

check('no other namespace reaches it, by its name or by its own of that name', async () => {
  await apply(ours('other', 'Environment', 'live', {dataPlane: 'acme.edge'}), ...shop('other'));
  await until('its environment to be nowhere', async () =>
    (await ready('other', 'environment', 'live'))?.reason === 'DataPlaneNotAllowed', 20000);
  await cluster.choreo('delete', 'environment', 'live', '-n', 'other', '--wait');
  await apply(theirs('other', 'Environment', 'live', {dataPlaneRef: {kind: 'DataPlane', name: 'edge'}}));
  await until('there to be no such plane', async () =>
    /"other\.edge"/.test((await ready('other', 'environment', 'live'))?.message), 20000);
  assert.equal(await namespaces(), 'acme');
});

check('an environment that names none is on its namespace\'s default before the shared one', async () => {
  await apply(theirs('acme', 'Environment', 'trial', {}));
  await until('the shared one', async () => (await get('acme', 'environment', 'trial')).spec.dataPlane === 'default', 20000);
  await apply(theirs('acme', 'DataPlane', 'default', agent));
  await until('the lack of a kubeconfig', async () =>
    /Secret acme\/cluster-default-default/.test((await ready('acme', 'dataplane.openchoreo.dev', 'default'))?.message), 20000);
  assert.equal((await get('acme', 'environment', 'trial')).spec.dataPlane, 'default'); // until it can be reached
  await apply(credentials('acme', 'default'));
  await until('its own', async () => (await get('acme', 'environment', 'trial')).spec.dataPlane === 'acme.default', 20000);
});

check('its log is read there', async () => {
  const binding = (await get('acme', 'releasebindings')).items[0].metadata.name;
  const log = await until('the log', () => cluster.choreo('logs', `releasebinding/${binding}`, '-n', 'acme'), 20000);
  assert.ok(log.length > 0);
});

check('a plane that is being deleted waits for its environments, and says which', async () => {
  await cluster.choreo('delete', 'dataplane.openchoreo.dev', 'edge', '-n', 'acme');
  await until('who is in the way', async () =>
    /environments acme\/development, acme\/live are on it still/.test((await ready('acme', 'dataplane.openchoreo.dev', 'edge'))?.message), 20000);
  assert.equal(await namespaces(), 'acme'); // and runs on
  await cluster.choreo('delete', 'environment.choreo.dev', 'development', '-n', 'acme'); // what acme began with
  await until('one to be left', async () =>
    /environment acme\/live is on it still/.test((await ready('acme', 'dataplane.openchoreo.dev', 'edge'))?.message), 20000);
  await cluster.choreo('delete', 'environment.openchoreo.dev', 'live', '-n', 'acme');
  await until('it to be gone', () => absent('acme', 'dataplane.openchoreo.dev', 'edge'), 30000);
  assert.equal(await namespaces(), '');
  assert.ok(await absent(null, 'dataplane', 'acme.edge'));
  assert.ok(await absent('choreo-system', 'secret', 'cluster-acme.edge-acme.edge'));
  assert.ok(await get('acme', 'secret', 'cluster-edge-edge')); // the tenant's own
});

check('a plane of all is held from several shards, and let go when they have moved', async () => {
  const on = plane => ['a-team', 'b-team', 'c-team', 'd-team', 'e-team'].map(ns => ours(ns, 'Environment', 'live', {dataPlane: plane}));
  await apply(...['shared', 'spare'].map(name => global('DataPlane', name, {type: 'single-cluster'})));
  await apply(...on('x').map(o => global('Organization', o.metadata.namespace, {dataPlane: 'spare'})));
  await apply(...on('shared'));
  await until('more than one shard to hold it', async () =>
    (await get(null, 'dataplane', 'shared')).metadata.finalizers?.length > 1, 20000);
  await cluster.choreo('delete', 'dataplane', 'shared');
  await until('all of them to be named', async () => {
    const words = condition(await get(null, 'dataplane', 'shared'), 'Ready').message;
    return ['a', 'b', 'c', 'd', 'e'].filter(n => words.includes(`${n}-team/live`)).length === 5 || / and \d+ more/.test(words);
  }, 20000);
  const named = await get(null, 'dataplane', 'shared');
  for (const use of named.status.inUse) {
    for (const name of use.environments) {
      const [ns, environment] = name.split('/');
      await cluster.choreo('patch', 'environment', environment, '-n', ns, '-p', '{"spec":{"dataPlane":"spare"}}');
    }
  }
  await until('it to be gone', () => absent(null, 'dataplane', 'shared'), 30000);
});
