// floods.js: what one client that floods a node costs another that behaves.
//
// The neighbour reads and writes one object, fifty times a second, over a connection of its own: calm,
// then beside a client that opens and resets streams as fast as it can, reconnecting when it is told
// to go, then beside another subject that lists with all the requests it may have at a time. The floods
// come from a process of the least priority, since elsewhere they come from another machine: what they
// cost here is what the nodes do about them. Read the p99 beside the calm one of the same run.
'use strict';

const {fork} = require('node:child_process');
const http2 = require('node:http2');
const os = require('node:os');
const {sleep} = require('../../tests/lib/cluster.js');
const {proto, client} = require('../../tests/lib/grpc.js');
const {Neighbour, roomForAll} = require('../../tests/lib/neighbour.js');
const {types, flags, frame, request, u32, H2} = require('../../tests/lib/frames.js');

const COLLECTION = '/api/v1/namespaces/default/configmaps';

async function resets(url, ca, token, ms) {
  const end = Date.now() + ms, head = request('GET', COLLECTION, token);
  while (Date.now() < end) {
    const c = new H2({url, ca});
    if (!await c.ready) continue;
    for (let id = 1; c.open && Date.now() < end; id += 100) {
      const chunk = Buffer.concat(Array.from({length: 50}, (_, k) => Buffer.concat([
        frame(types.HEADERS, flags.END_HEADERS | flags.END_STREAM, id + 2 * k, head),
        frame(types.RST_STREAM, 0, id + 2 * k, u32(8))])));
      if (!c.write(chunk)) await c.drained();
      else await sleep(0);
    }
    await c.close();
  }
}

// Lists over and over, `together` at a time.
async function lists(url, ca, token, ms, together) {
  const end = Date.now() + ms;
  const sessions = Array.from({length: 4}, () => http2.connect(url, {ca}));
  sessions.forEach(s => s.on('error', () => {}));
  await Promise.all(Array.from({length: together}, async (_, i) => {
    while (Date.now() < end) {
      await new Promise(resolve => {
        const stream = sessions[i % 4].request({':path': COLLECTION, authorization: `Bearer ${token}`});
        stream.on('error', () => {});
        stream.on('close', resolve);
        stream.resume();
      });
    }
  }));
  sessions.forEach(s => s.destroy());
}

const floods = {resets, lists: (url, ca, token, ms) => lists(url, ca, token, ms, 400)};

// Runs one of them in a process of its own.
function flood(name, url, ca, token, ms) {
  const child = fork(__filename, [name, url, ca, token, String(ms)]);
  os.setPriority(child.pid, os.constants.priority.PRIORITY_LOW);
  return new Promise((resolve, reject) => child.once('exit',
    code => code === 0 ? resolve() : reject(new Error(`the flood of ${name} ended with ${code}`))));
}
if (require.main === module) {
  const [name, url, ca, token, ms] = process.argv.slice(2);
  floods[name](url, ca, token, Number(ms)).then(() => process.exit(0));
}

module.exports = {
  name: 'floods', cluster: 'fresh',
  figures: ['floods_calm_p50_ms', 'floods_calm_p99_ms', 'floods_resets_p50_ms', 'floods_resets_p99_ms',
            'floods_lists_p50_ms', 'floods_lists_p99_ms'],
  async run(bench) {
    const cluster = await bench.cluster(this), url = cluster.dev.nodes[0].api, ms = bench.quick ? 4000 : 15000;
    const admin = client(proto.choreo.v1.ClusterService, cluster);
    const {token} = await admin.call('CreateToken', {purpose: 'USER', user: 'mallory', groups: ['choreo:viewers']});
    admin.close();
    await roomForAll(cluster, COLLECTION, 20, 1000);
    const neighbour = new Neighbour(cluster);
    await neighbour.begin();
    await sleep(1000);
    for (const name of ['calm', 'resets', 'lists']) {
      await neighbour.report();
      await (name === 'calm' ? sleep(ms) : flood(name, url, String(cluster.ca), token, ms));
      const {latencies, errors} = await neighbour.report();
      if (errors.length) throw new Error(`beside ${name}: ${errors[0]}`);
      bench.report.latency(`floods_${name}`, latencies);
    }
    await neighbour.end();
  },
};
