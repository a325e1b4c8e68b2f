// What every cell has, replaced: a platform engineer with kubectl takes the built-in template, changes it,
// and rolls it out to one environment; what is added comes, what is left out goes, and nobody is in the way.
// What is beside a component there besides: credentials for its image.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {execFile, spawn} = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const {promisify} = require('node:util');
const {start, until, bin} = require('../lib/cluster.js');
const {platform, object, global, edge, condition} = require('../lib/platform.js');

let cluster, failed = false;

before(async () => {
  cluster = await start({nodes: 1, shards: 2, planes: 'development:us-1,live:eu-1'});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 90000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

const {get, apply, on, faults} = platform(() => cluster);

// kubectl with an object on its stdin; what it says on stdout. Rejects with what it says on stderr.
function kubectl(words, input) {
  return new Promise((resolve, reject) => {
    const child = spawn('kubectl', ['--kubeconfig', cluster.dev.kubeconfig, ...words], {timeout: 60000});
    let out = '', err = '';
    child.stdout.on('data', chunk => out += chunk);
    child.stderr.on('data', chunk => err += chunk);
    child.on('close', code => code === 0 ? resolve(out) : reject(new Error(err)));
    child.stdin.end(input === undefined ? '' : JSON.stringify(input));
  });
}

const inCell = async (plane, kind) => (await on(plane, kind))
  .filter(o => o.metadata.namespace?.startsWith('dp-default-shop-')).map(o => o.metadata.name);
const namespaceOf = async plane => await on(plane, 'namespaces', 'dp-default-shop-');
const cellType = async name => JSON.parse(await kubectl(['get', 'cpt', name, '-o', 'json']));
const environment = spec => kubectl(['patch', 'environment', 'live', '--type', 'merge', '-p', JSON.stringify({spec})]);
const resourceOf = (type, id) => type.spec.resources.find(r => r.id === id);

// The built-in template under another name, with a ConfigMap and without the quota's LimitRange.
async function changed(name) {
  const {spec} = await cellType('cell');
  spec.environmentConfigs = {openAPIV3Schema: {type: 'object', properties: {team: {type: 'string', default: 'nobody'}}}};
  spec.resources = spec.resources.filter(r => r.id !== 'limits');
  spec.resources.push({id: 'team', template: {
    apiVersion: 'v1', kind: 'ConfigMap', metadata: {name: 'team'}, data: {team: '${environmentConfigs.team}'},
  }});
  return {apiVersion: 'choreo.dev/v1', kind: 'ClusterProjectType', metadata: {name}, spec};
}

check('a cell is made by the template that is there from the start', async () => {
  await apply(
      global('DataPlane', 'development', {type: 'single-cluster'}), global('DataPlane', 'live', {type: 'single-cluster'}),
      object('Environment', 'development', {dataPlane: 'development', quotas: {cpu: '4'}}),
      object('Environment', 'live', {dataPlane: 'live', quotas: {cpu: '8'}}),
      object('DeploymentPipeline', 'both', {promotionPaths: [edge('development', 'live', {automatic: true})]}),
      object('Project', 'shop', {deploymentPipeline: 'both'}),
      object('Component', 'web', {project: 'shop', image: 'nginx:1.27', endpoints: [{name: 'http', port: 80}]}));
  for (const name of ['development', 'live']) {
    await until(`${name} to run`, async () => {
      const bound = await get('releasebinding', `web-${name}`).catch(() => undefined);
      return bound && condition(bound, 'Ready')?.status === 'True';
    }, 30000);
    assert.deepEqual(await inCell(name, 'limitranges'), ['choreo-limits']);
    assert.deepEqual(await inCell(name, 'resourcequotas'), ['choreo-quota']);
  }
  assert.match(await kubectl(['get', 'clusterprojecttypes.choreo.dev']), /^cell /m);
});

check('a template that can be no cell is refused where it is wrong', async () => {
  const broken = await changed('broken');
  resourceOf(broken, 'team').template.data.team = 'the ${environmentConfig.team}';
  await assert.rejects(kubectl(['apply', '-f', '-'], broken),
      /spec\.resources\[team\]\.template\.data\.team: Invalid value: column 7: undeclared reference to 'environmentConfig'/);
  const homeless = await changed('homeless');
  homeless.spec.resources.shift();
  await assert.rejects(kubectl(['apply', '-f', '-'], homeless), /spec\.resources: .*must make the cell's Namespace/);
});

check('a type that is not there yet changes nothing, and is told', async () => {
  await environment({cell: {type: 'cell-v2', environmentConfigs: {team: 'red'}}});
  const lacks = await until('the environment to say so', async () => {
    const c = condition(await get('environment', 'live'), 'CellTypeResolved');
    return c?.reason === 'CellTypeNotFound' && c;
  });
  assert.match(lacks.message, /there is no ClusterProjectType "cell-v2", which environment "live" names/);
  const cell = await until('its cell to say so', async () => (await get('renderedreleases')).items.find(r =>
    r.spec.environmentName === 'live' && condition(r, 'Applied')?.reason === 'CellTypeNotFound'));
  assert.equal(cell.spec.owner.projectName, 'shop');
  assert.deepEqual(await inCell('live', 'limitranges'), ['choreo-limits']);
});

check('where it is replaced, what it adds comes and what it leaves out goes; elsewhere all stays', async () => {
  const before = await namespaceOf('live');
  await kubectl(['apply', '-f', '-'], await changed('cell-v2'));
  await until('the team', async () => (await inCell('live', 'configmaps')).includes('team'), 20000);
  await until('the limits to be gone', async () => (await inCell('live', 'limitranges')).length === 0, 20000);
  const team = (await on('live', 'configmaps')).find(o => o.metadata.name === 'team');
  assert.equal(team.data.team, 'red');
  assert.equal(team.metadata.labels['openchoreo.dev/project'], 'shop');
  assert.deepEqual(await inCell('live', 'resourcequotas'), ['choreo-quota']);
  assert.equal((await namespaceOf('live')).metadata.uid, before.metadata.uid);
  assert.equal((await inCell('live', 'deployments')).length, 1);
  assert.deepEqual(await inCell('development', 'limitranges'), ['choreo-limits']);
  assert.deepEqual((await inCell('development', 'configmaps')).filter(name => name === 'team'), []);
  await until('all to be well', async () =>
    condition(await get('environment', 'live'), 'CellTypeResolved') === undefined &&
    condition(await get('releasebinding', 'web-live'), 'Ready')?.status === 'True');
});

check('choreo renders the same from files, and says which template it was', async () => {
  const kinds = 'dataplanes,organizations,clusterprojecttypes,environments,deploymentpipelines,projects,components';
  const file = path.join(cluster.dir, 'export.yaml');
  fs.writeFileSync(file, await cluster.choreo('get', kinds, '-n', 'default', '-o', 'yaml'));
  const choreo = async (...words) => (await promisify(execFile)(path.join(bin, 'choreo'),
      [...words, '-f', file, '-n', 'default', '--component', 'web', '-e', 'live'], {maxBuffer: 64 << 20})).stdout;
  const rendered = (await get('renderedreleases')).items.find(r =>
    r.spec.environmentName === 'live' && r.spec.owner.componentName === undefined);
  assert.match(await choreo('render'), new RegExp(`the cell of project shop .* revision ${rendered.status.appliedHash.slice(0, 12)}`));
  const explained = await choreo('explain-render', '--cell', 'configmap/team');
  assert.match(explained, /data\.team +red +ClusterProjectType cell-v2 +resources\[team\]\.template\.data\.team/);
});

check('a change of the type reaches the cells that are of it, and no others', async () => {
  const type = await cellType('cell-v2');
  resourceOf(type, 'team').template.data.note = 'second';
  await kubectl(['replace', '-f', '-'], type);
  await until('the change', async () =>
    (await on('live', 'configmaps')).find(o => o.metadata.name === 'team')?.data.note === 'second', 20000);
  const built = await cellType('cell'); // edited in place, it is everybody else's
  resourceOf(built, 'namespace').template.metadata.annotations = {'example.com/edited': 'yes'};
  await kubectl(['replace', '-f', '-'], built);
  await until('the edit', async () =>
    (await namespaceOf('development')).metadata.annotations?.['example.com/edited'] === 'yes', 20000);
  assert.equal((await namespaceOf('live')).metadata.annotations?.['example.com/edited'], undefined);
});

check('the built-in one says that it was edited, and is put back where that is asked for', async () => {
  const told = async reason => condition(await cellType('cell'), 'UpToDate')?.reason === reason;
  await until('it to say so', () => told('Changed'));
  assert.match(await kubectl(['get', 'cpt', 'cell']), /UPTODATE[^]*\ncell +True /);
  await cluster.choreo('annotate', 'clusterprojecttypes.choreo.dev', 'cell', 'choreo.dev/builtin=take');
  await until('it to be as it was', () => told('BuiltIn'));
  const built = await cellType('cell');
  assert.equal(resourceOf(built, 'namespace').template.metadata.annotations, undefined);
  assert.equal(built.metadata.annotations['choreo.dev/builtin'], undefined);
  assert.equal(built.status.builtIn.generation, built.metadata.generation);
  await until('its cells, too', async () =>
    (await namespaceOf('development')).metadata.annotations?.['example.com/edited'] === undefined, 20000);
});

check('a type that is deleted while it is used leaves all as it is', async () => {
  await kubectl(['delete', 'cpt', 'cell-v2']);
  await until('it to be told', async () =>
    condition(await get('environment', 'live'), 'CellTypeResolved')?.reason === 'CellTypeNotFound');
  assert.ok((await inCell('live', 'configmaps')).includes('team'));
  await environment({cell: null});
  await until('the former one to be back', async () => (await inCell('live', 'limitranges')).length === 1 &&
    !(await inCell('live', 'configmaps')).includes('team'), 20000);
});

check('credentials for images reach the cell, change without new pods, and go with the component', async () => {
  const registry = password => ({
    apiVersion: 'v1', kind: 'Secret', metadata: {name: 'registry', namespace: 'default'}, type: 'kubernetes.io/dockerconfigjson',
    stringData: {'.dockerconfigjson': JSON.stringify({auths: {'registry.example.com': {username: 'pull', password}}})},
  });
  const pulled = async () => (await on('development', 'secrets'))
    .filter(s => s.type === 'kubernetes.io/dockerconfigjson' && s.metadata.namespace.startsWith('dp-default-shop-'));
  const says = async text => {
    const [secret] = await pulled();
    return secret !== undefined && Buffer.from(secret.data['.dockerconfigjson'], 'base64').includes(text);
  };
  const pods = async () => (await on('development', 'deployments', 'web-')).spec.template;
  await apply(registry('first'),
      object('Component', 'web', {project: 'shop', image: 'nginx:1.27', endpoints: [{name: 'http', port: 80}], imagePullSecrets: ['registry']}));
  await until('the credentials', () => says('first'), 20000);
  const named = await until('pods with them', async () => {
    const template = await pods();
    return template.spec.imagePullSecrets !== undefined && template;
  });
  assert.deepEqual(named.spec.imagePullSecrets, [{name: (await pulled())[0].metadata.name}]);
  await apply(registry('second'));
  await until('the new ones', () => says('second'), 20000);
  assert.deepEqual(await pods(), named);
  await cluster.choreo('delete', 'component', 'web', '-n', 'default');
  await until('them to be gone', async () => (await pulled()).length === 0, 20000);
});

check('what comes back while its cell is going gets the next one', async () => {
  const solo = object('Component', 'solo', {project: 'alone', image: 'nginx:1.27', endpoints: [{name: 'http', port: 80}]});
  const rendered = async () => (await get('renderedreleases')).items.filter(r => r.spec.owner.projectName === 'alone');
  await apply(object('Project', 'alone', {deploymentPipeline: 'both'}), solo);
  await until('it to run', async () =>
    condition(await get('component', 'solo'), 'Ready')?.status === 'True', 30000);
  await faults('development', {latencyMs: 1500}); // its namespace takes its time to go
  await cluster.choreo('delete', 'component', 'solo', '-n', 'default');
  await until('its cell to be alone, and going', async () => {
    const left = await rendered();
    return left.length === 1 && left[0].metadata.deletionTimestamp !== undefined;
  }, 30000);
  await apply(solo);
  await until('it to wait', async () => (await rendered()).length === 2, 20000);
  await faults('development', {latencyMs: 0});
  await until('it to run again', async () => condition(await get('component', 'solo'), 'Ready')?.status === 'True', 40000);
  assert.ok(await on('development', 'deployments', 'solo'));
});
