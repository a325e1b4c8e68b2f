// How many replicas a Deployment has when autoscaling is turned on, on a simulated cluster.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {execFile} = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const {promisify} = require('node:util');
const {start, until} = require('../lib/cluster.js');

let cluster, failed = false;

before(async () => {
  cluster = await start({nodes: 1, shards: 1, planes: 'development:us-west-2'});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 60000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

const apply = async (...objects) => {
  const file = path.join(cluster.dir, 'apply.json');
  fs.writeFileSync(file, JSON.stringify({apiVersion: 'v1', kind: 'List', items: objects}));
  return cluster.choreo('apply', '-f', file);
};
const kubectl = async (plane, ...words) => {
  const {stdout} = await promisify(execFile)('kubectl',
      ['--kubeconfig', cluster.dev.planes.find(p => p.name === plane).kubeconfig, ...words]);
  return stdout;
};
const service = spec => ({
  apiVersion: 'choreo.dev/v1', kind: 'Component', metadata: {name: 'web', namespace: 'default'},
  spec: {type: 'service', endpoints: [{name: 'http', port: 8080}], ...spec},
});
// The deployment, once it runs the image.
const running = image => until(image, async () => {
  const list = JSON.parse(await kubectl('development', 'get', 'deployments', '-A', '-o', 'json', '--show-managed-fields'));
  return list.items.find(d => d.spec.template.spec.containers[0].image === image);
});
const ours = d => d.metadata.managedFields.some(m => m.manager === 'choreod' && m.fieldsV1['f:spec']?.['f:replicas']);

check('replicas stay until an autoscaler says how many', async () => {
  await apply({apiVersion: 'choreo.dev/v1', kind: 'DataPlane', metadata: {name: 'development'}, spec: {type: 'single-cluster'}});
  await apply(service({image: 'w:1', replicas: 5}));
  assert.equal((await running('w:1')).spec.replicas, 5);
  const autoscaling = {minReplicas: 2, maxReplicas: 9};
  await apply(service({image: 'w:2', autoscaling}));
  const kept = await running('w:2');
  assert.equal(kept.spec.replicas, 5);
  // As an autoscaler does, in the end.
  await kubectl('development', 'patch', 'deployment', kept.metadata.name, '-n', kept.metadata.namespace,
      '--type', 'merge', '-p', '{"spec":{"replicas":3}}');
  await apply(service({image: 'w:3', autoscaling}));
  const taken = await running('w:3');
  assert.equal(taken.spec.replicas, 3);
  assert.ok(!ours(taken), 'it is the autoscaler that says them');
});
