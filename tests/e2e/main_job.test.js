// The main job: the sample platform goes live on the simulated clusters, stays as declared when
// someone meddles, survives its leaders, and leaves nothing behind.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {execFile} = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const {promisify} = require('node:util');
const {start, until} = require('../lib/cluster.js');

const samples = path.join(__dirname, '../../deploy/samples');
const planes = 'development:us-west-2,production/us-west-2:us-west-2,production/eu-west-1:eu-west-1,' +
               'hybrid/aws-production:us-west-2,hybrid/on-premises:on-premises';
let cluster, failed = false;

before(async () => { cluster = await start({nodes: 3, planes}); }, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 60000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

// kubectl as JSON, against the control plane or a simulated cluster by name.
async function kubectl(where, ...words) {
  const kubeconfig = where === 'choreod' ? cluster.dev.kubeconfig
                                         : cluster.dev.planes.find(p => p.name === where).kubeconfig;
  const {stdout} = await promisify(execFile)('kubectl', ['--kubeconfig', kubeconfig, ...words], {maxBuffer: 64 << 20});
  return words.includes('json') ? JSON.parse(stdout) : stdout;
}

const deployments = async where =>
  (await kubectl(where, 'get', 'deployments', '-A', '-o', 'json')).items;
const component = async (where, name) =>
  (await deployments(where)).find(d => d.metadata.labels['openchoreo.dev/component'] === name);
const condition = (object, type) => object.status?.conditions?.find(c => c.type === type);

check('the samples go live', async () => {
  await cluster.choreo('apply', '-f', samples);
  const list = await kubectl('choreod', 'get', 'components', '-A', '-o', 'json');
  assert.equal(list.items.length, 7);
  for (const {metadata: {name, namespace}} of list.items) {
    await cluster.choreo('wait', `component/${name}`, '-n', namespace, '--timeout', '40s');
  }
  await until('projects to be ready', async () => {
    const projects = await kubectl('choreod', 'get', 'projects', '-A', '-o', 'json');
    return projects.items.length === 3 && projects.items.every(p => condition(p, 'Ready')?.status === 'True');
  });
});

check('applying the same again changes nothing', async () => {
  const again = await cluster.choreo('apply', '-f', samples);
  assert.deepEqual(again.trim().split('\n').filter(line => !line.endsWith(' unchanged')), []);
});

check('a service is a Deployment with probes, a Service, its configuration and its policies', async () => {
  const deployment = await component('development', 'product-service');
  const [container] = deployment.spec.template.spec.containers;
  assert.equal(container.image, 'traefik/whoami:v1.10');
  assert.equal(container.readinessProbe.tcpSocket.port, 8080);
  assert.equal(container.livenessProbe, undefined); // nobody asked for one
  assert.deepEqual(container.securityContext, {allowPrivilegeEscalation: false}); // its image may start as root
  const gateway = await component('development', 'api-gateway'); // which says that its does not
  assert.deepEqual(gateway.spec.template.spec.containers[0].securityContext.capabilities, {drop: ['ALL']});
  assert.equal(deployment.spec.template.spec.serviceAccountName, 'product-service');
  assert.equal(deployment.status.readyReplicas, 1);
  const ns = deployment.metadata.namespace;
  assert.match(ns, /^dp-acme-corp-.*-development-[0-9a-f]{8}$/);
  const service = await kubectl('development', 'get', 'service', 'product-service', '-n', ns, '-o', 'json');
  assert.equal(service.spec.ports[0].port, 8080);
  const policies = await kubectl('development', 'get', 'networkpolicies', '-n', ns, '-o', 'json');
  const names = policies.items.map(p => p.metadata.name);
  assert.ok(names.includes('choreo-default-deny') && names.includes('openchoreo-product-service'), names);
  const maps = await kubectl('development', 'get', 'configmaps', '-n', ns, '-o', 'json');
  assert.ok(maps.items.some(m => m.metadata.name.startsWith('product-service-development-env-configs-')));
  const quotas = await kubectl('development', 'get', 'resourcequotas', '-n', ns, '-o', 'json');
  assert.equal(quotas.items.length, 1);
  const limits = await kubectl('development', 'get', 'limitranges', '-n', ns, '-o', 'json');
  assert.equal(limits.items.length, 1);
});

check('what a component asks for is there: an autoscaler, alerts, a volume', async () => {
  const {metadata: {namespace: ns, name}} = await component('development', 'frontend');
  const deployment = await kubectl('development', 'get', 'deployment', name, '-n', ns, '-o', 'json', '--show-managed-fields');
  const scaler = await kubectl('development', 'get', 'hpa', name, '-n', ns, '-o', 'json');
  assert.equal(scaler.spec.maxReplicas, 6);
  const ours = deployment.metadata.managedFields.find(m => m.manager === 'choreod').fieldsV1['f:spec'];
  assert.ok(ours['f:template'] && !ours['f:replicas']);
  const rules = await kubectl('development', 'get', 'prometheusrule', 'api-gateway-slo', '-n', ns, '-o', 'json');
  assert.deepEqual(rules.spec.groups.map(g => g.name), ['api-gateway-availability', 'api-gateway-latency']);
  const ledger = await component('on-premises', 'ledger-sync');
  const [claim] = (await kubectl('on-premises', 'get', 'pvc', '-A', '-o', 'json')).items;
  assert.equal(ledger.spec.template.spec.volumes[0].persistentVolumeClaim.claimName, claim.metadata.name);
});

check('an environment of several clusters gets the component on each', async () => {
  for (const where of ['us-west-2', 'eu-west-1']) assert.ok(await component(where, 'status-page'), where);
  for (const where of ['aws-production', 'on-premises']) {
    assert.ok(await component(where, 'ledger-sync'), where);
    const jobs = await kubectl(where, 'get', 'cronjobs', '-A', '-o', 'json');
    assert.equal(jobs.items[0].spec.schedule, '0 3 * * *');
  }
});

check('drift is corrected', async () => {
  const before = await component('development', 'user-service');
  const at = ['-n', before.metadata.namespace, before.metadata.name];
  await kubectl('development', 'patch', 'deployment', ...at, '--type', 'merge', '-p', '{"spec":{"replicas":9}}');
  await until('the replicas to be back', async () => (await component('development', 'user-service')).spec.replicas === 1);
  await kubectl('development', 'delete', 'deployment', ...at, '--wait=false');
  await until('the Deployment to be back', async () => {
    const now = await component('development', 'user-service');
    return now && now.metadata.uid !== before.metadata.uid;
  });
});

check('a change reaches the cluster as a new release', async () => {
  await kubectl('choreod', 'patch', 'component', 'frontend', '-n', 'acme-corp', '--type', 'merge',
      '-p', '{"spec":{"image":"nginx:1.28-alpine"}}');
  await until('the new image', async () =>
    (await component('development', 'frontend')).spec.template.spec.containers[0].image === 'nginx:1.28-alpine');
  const releases = await kubectl('choreod', 'get', 'releases', '-n', 'acme-corp', '-o', 'json');
  assert.equal(releases.items.filter(r => r.metadata.name.startsWith('frontend-')).length, 2);
});

check('without an image and a build plane the component says what it waits for', async () => {
  await cluster.choreo('apply', '-n', 'acme-corp', '-f', path.join(samples, 'seed/component-user-service.yaml'),
      '-n', 'default');
  const c = await until('the condition', async () => {
    const object = await kubectl('choreod', 'get', 'component', 'user-service', '-n', 'default', '-o', 'json');
    return condition(object, 'ImageResolved') && object;
  });
  assert.equal(condition(c, 'ImageResolved').status, 'False');
  assert.ok(condition(c, 'ImageResolved').message.length > 10);
  await kubectl('choreod', 'delete', 'component', 'user-service', '-n', 'default', '--timeout=20s');
});

check('a new leader goes on where the dead one was, and repeats nothing', async () => {
  const versions = async () => Object.fromEntries((await deployments('development'))
      .map(d => [d.metadata.name, d.metadata.generation]));
  const settled = await versions();
  const leaders = await cluster.leaders();
  const list = await kubectl('choreod', 'get', 'renderedreleases', '-n', 'acme-corp', '-o', 'json');
  assert.ok(list.items.length > 0);
  // Whoever leads anything but the system shard; acme-corp lives in one of these.
  const victims = [...new Set(Object.entries(leaders).filter(([shard]) => shard !== '0').map(([, name]) => name))];
  const victim = victims[0];
  await cluster.kill(victim);
  await kubectl('choreod', '--server', cluster.dev.nodes.find(n => n.name !== victim).api,
      'patch', 'component', 'api-gateway', '-n', 'acme-corp', '--type', 'merge', '-p', '{"spec":{"replicas":3}}');
  await until('the change on the cluster', async () =>
    (await component('development', 'api-gateway')).spec.replicas === 3);
  const now = await versions();
  for (const [name, generation] of Object.entries(settled)) {
    if (!name.startsWith('api-gateway')) assert.equal(now[name], generation, `${name} was applied again`);
  }
  await cluster.restart(victim);
});

check('a cluster that is gone delays nobody else, and is caught up with when it is back', async () => {
  const gone = cluster.dev.planes.find(p => p.name === 'eu-west-1');
  process.kill(gone.pid, 'SIGKILL');
  await kubectl('choreod', 'patch', 'component', 'status-page', '-n', 'acme-corp', '--type', 'merge',
      '-p', '{"spec":{"image":"nginx:1.29-alpine"}}');
  const image = async where => (await component(where, 'status-page')).spec.template.spec.containers[0].image;
  await until('the other cluster', async () => await image('us-west-2') === 'nginx:1.29-alpine', 10000);
  const c = await until('the component to say so', async () => {
    const object = await kubectl('choreod', 'get', 'component', 'status-page', '-n', 'acme-corp', '-o', 'json');
    return condition(object, 'Ready')?.status === 'False' && object;
  }, 20000);
  assert.match(condition(c, 'Ready').message, /eu-west-1/);
  await cluster.restart('eu-west-1');
  await until('the cluster to catch up', async () => await image('eu-west-1') === 'nginx:1.29-alpine', 25000);
});

check('a component that its project lists gives way to its file, whichever comes first', async () => {
  const file = path.join(cluster.dir, 'listed.json');
  const apply = (kind, name, spec) => {
    fs.writeFileSync(file, JSON.stringify({apiVersion: 'choreo.dev/v1', kind, metadata: {name, namespace: 'acme-corp'}, spec}));
    return cluster.choreo('apply', '-f', file);
  };
  await apply('Project', 'listing', {components: [{name: 'listed', image: 'nginx:1.27'}]});
  const listed = await until('what it lists', () => kubectl('choreod', 'get', 'component', 'listed', '-n', 'acme-corp', '-o', 'json'));
  assert.notEqual(listed.spec.type, 'worker');
  await apply('Component', 'listed', {project: 'listing', type: 'worker', image: 'nginx:1.28'});
  const said = await kubectl('choreod', 'get', 'component', 'listed', '-n', 'acme-corp', '-o', 'json');
  assert.deepEqual([said.spec.type, said.spec.image], ['worker', 'nginx:1.28']);
});

check('deleting everything leaves nothing on the clusters', async () => {
  await kubectl('choreod', 'delete', 'projects', '--all', '-n', 'acme-corp', '--timeout=30s');
  await until('the components to go', async () =>
    (await kubectl('choreod', 'get', 'components', '-n', 'acme-corp', '-o', 'json')).items.length === 0, 20000);
  await kubectl('choreod', 'delete', 'organization', 'acme-corp', '--timeout=30s');
  for (const {name} of cluster.dev.planes) {
    await until(`${name} to be clean`, async () => {
      const namespaces = await kubectl(name, 'get', 'namespaces', '-o', 'json');
      return namespaces.items.every(n => !n.metadata.name.startsWith('dp-'));
    }, 20000);
    assert.equal((await deployments(name)).length, 0);
  }
});

check('no credentials and no bodies are in the logs', async () => {
  const secrets = [cluster.dev.token, ...cluster.dev.planes.map(p =>
    fs.readFileSync(path.join(path.dirname(p.kubeconfig), 'token'), 'utf8').trim())];
  for (const file of fs.readdirSync(path.join(cluster.dir, 'log'))) {
    const text = fs.readFileSync(path.join(cluster.dir, 'log', file), 'utf8');
    for (const secret of secrets) assert.ok(!text.includes(secret), `${file} holds a token`);
  }
});
