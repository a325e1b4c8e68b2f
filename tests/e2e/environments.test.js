// Environments from templates, placed by policy, on a node and three
// simulated clusters: what changes in a template reaches what runs, and a spread stays where it is.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const {start, until} = require('../lib/cluster.js');
const {platform, object, global, condition} = require('../lib/platform.js');

const clusters = ['us', 'eu', 'ap'];
let cluster, failed = false;

before(async () => {
  cluster = await start({nodes: 1, shards: 2, planes: clusters.map(c => `world/${c}:${c}-1`).join(',')});
}, {timeout: 90000});
after(async () => assert.equal(await cluster.stop(failed), 0));

const check = (name, run) => test(name, {timeout: 120000}, async () => {
  try { await run(); } catch (error) { failed = true; throw error; }
});

const {get, apply, faults, on: all} = platform(() => cluster);
const on = async (name, kind) =>
  (await all(name, kind)).filter(o => o.metadata.labels?.['openchoreo.dev/environment'] === 'live');
const where = async () => {
  const found = await Promise.all(clusters.map(c => on(c, 'deployments')));
  return clusters.filter((_, i) => found[i].length > 0).join();
};
const plane = costs => global('DataPlane', 'world', {
  type: 'multi-cluster', clusters: clusters.map(name => ({name, region: `${name}-1`, cost: costs[name]})),
});

check('what an environment leaves out comes from its template, to the objects on a cluster', async () => {
  await apply(plane({us: 1, eu: 2, ap: 3}),
      global('EnvironmentTemplate', 'team', {
        placement: {policy: 'spread', count: 2}, quotas: {cpu: '4', memory: '8Gi'},
        access: [{group: 'devs', role: 'viewer'}],
        overrides: {env: [{name: 'LOG_LEVEL', value: 'warn'}]},
      }),
      object('Environment', 'live', {dataPlane: 'world', template: 'team', quotas: {cpu: '6'}}),
      object('DeploymentPipeline', 'direct', {promotionPaths: [{sourceEnvironmentRef: {name: 'live'}, targetEnvironmentRefs: []}]}),
      object('Project', 'shop', {deploymentPipeline: 'direct', env: [{name: 'TEAM', value: 'carts'}]}),
      object('Component', 'web', {project: 'shop', image: 'nginx:1.27', endpoints: [{name: 'http', port: 80}]}));
  await until('it to run', async () => condition(await get('component', 'web'), 'Ready')?.status === 'True', 20000);
  assert.equal(await where(), 'us,eu');
  const [quota] = await on('us', 'resourcequotas');
  assert.deepEqual(quota.spec.hard, {'requests.cpu': '6', 'requests.memory': '8Gi'});
  assert.deepEqual((await on('us', 'rolebindings')).map(b => b.subjects[0].name), ['devs']);
  const [config] = await on('us', 'configmaps');
  assert.deepEqual(config.data, {LOG_LEVEL: 'warn', TEAM: 'carts'});
  const env = await get('environment', 'live');
  assert.deepEqual(env.status.clusters, ['us', 'eu']);
  assert.ok(env.status.inherited.includes('quotas.memory') && !env.status.inherited.includes('quotas.cpu'));
});

check('a changed template reaches what runs', async () => {
  await cluster.choreo('patch', 'environmenttemplate', 'team', '-p',
      '{"spec":{"overrides":{"env":[{"name":"LOG_LEVEL","value":"debug"}]},"quotas":{"memory":"9Gi"}}}');
  await until('the variable', async () => (await on('eu', 'configmaps'))[0]?.data.LOG_LEVEL === 'debug', 20000);
  await until('the quota', async () => (await on('eu', 'resourcequotas'))[0]?.spec.hard['requests.memory'] === '9Gi', 20000);
});

check('a spread stays when another cluster becomes cheaper, and moves when one no longer qualifies', async () => {
  await apply(plane({us: 9, eu: 9, ap: 1}));
  await until('the plane to be seen', async () => (await get('environment', 'live')).status.clusters.length === 2);
  await faults('ap', {neverReady: ['*']});
  await cluster.choreo('patch', 'environment', 'live', '-n', 'default', '-p', '{"spec":{"placement":{"regions":["ap-1","eu-1"]}}}');
  const draining = await until('us to drain', async () =>
    await where() === 'us,eu,ap' && condition(await get('releasebinding', 'web-live'), 'Draining'), 20000);
  assert.match(draining.message, /^what is on "world\/us" stays until all is healthy/);
  await faults('ap', {neverReady: []});
  await until('it to move', async () => await where() === 'eu,ap', 20000);
  assert.deepEqual((await get('environment', 'live')).status.clusters, ['eu', 'ap']);
  assert.equal((await get('releasebinding', 'web-live')).status.draining, undefined);
});

check('where nothing qualifies, or the template is missing, what runs stays and a condition says why', async () => {
  await cluster.choreo('patch', 'environment', 'live', '-n', 'default', '-p', '{"spec":{"placement":{"regions":["mars"]}}}');
  const none = await until('the condition', async () => {
    const c = condition(await get('environment', 'live'), 'Placed');
    return c?.reason === 'NoClusterQualifies' && c;
  });
  assert.match(none.message, /"us" region "us-1" is not among regions/);
  await cluster.choreo('patch', 'environment', 'live', '-n', 'default', '-p', '{"spec":{"placement":null,"template":"gone"}}');
  const bound = await until('the binding to say so', async () => {
    const c = condition(await get('releasebinding', 'web-live'), 'Ready');
    return c?.reason === 'TemplateNotFound' && c;
  });
  assert.match(bound.message, /there is no EnvironmentTemplate "gone"/);
  assert.equal(await where(), 'eu,ap');
});

check('a change of the project is a release; what it says of the environment comes first', async () => {
  await cluster.choreo('patch', 'environment', 'live', '-n', 'default', '-p', '{"spec":{"template":"team"}}');
  const former = (await get('component', 'web')).status.latestRelease.name;
  await cluster.choreo('patch', 'project', 'shop', '-n', 'default', '-p',
      '{"spec":{"env":[{"name":"TEAM","value":"checkout"}],"environments":[{"name":"live","env":[{"name":"LOG_LEVEL","value":"error"}]}]}}');
  await until('both', async () => {
    const data = (await on('ap', 'configmaps'))[0]?.data;
    return data?.TEAM === 'checkout' && data.LOG_LEVEL === 'error';
  }, 20000);
  assert.notEqual((await get('component', 'web')).status.latestRelease.name, former);
});

check('the order in which components start is told, and a circle is named', async () => {
  const needs = (name, ...others) => object('Component', name, {
    project: 'shop', image: 'nginx:1.27', endpoints: [{name: 'http', port: 80}],
    dependencies: others.map(other => ({name: other, type: 'component'})),
  });
  await apply(needs('api', 'web'));
  await until('two stages', async () => {
    const stages = (await get('project', 'shop')).status.startOrder;
    return JSON.stringify(stages) === '[{"components":["web"]},{"components":["api"]}]';
  });
  await apply(needs('api', 'web', 'store'), needs('store', 'api'));
  const circle = await until('the circle', async () => {
    const c = condition(await get('project', 'shop'), 'StartOrder');
    return c?.reason === 'Cycle' && c;
  });
  assert.match(circle.message, /: api -> store -> api;/);
});

check('what ran on a cluster that is lost is placed elsewhere, and the lost one is emptied when it is back', async () => {
  await cluster.choreo('patch', 'environment', 'live', '-n', 'default', '-p',
      '{"spec":{"placement":{"policy":"spread","count":1,"clusters":["us","eu"],"regions":null,"onLoss":"failover","lostAfter":"1s"}}}');
  await until('it to be on eu alone', async () => await where() === 'eu', 30000);
  await faults('eu', {downMs: 25000});
  const lost = await until('eu to be given up', async () => {
    const c = condition(await get('environment', 'live'), 'ClusterLost');
    return c?.reason === 'FailedOver' && c;
  }, 40000);
  assert.equal(lost.message, '"eu" does not answer: it is on "us"');
  await until('us to run it', async () => (await on('us', 'deployments')).length > 0, 20000);
  await until('eu to be back and empty', async () => {
    const left = await on('eu', 'deployments').catch(() => undefined);
    return left?.length === 0;
  }, 60000);
  await until('eu to be counted on', async () => condition(await get('environment', 'live'), 'ClusterLost') === undefined, 20000);
  assert.deepEqual((await get('environment', 'live')).status.clusters, ['us']);
  assert.equal(await where(), 'us');
});
