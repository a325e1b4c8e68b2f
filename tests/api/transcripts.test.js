// The Kubernetes door, by transcripts: transcripts/SUBJECT.http hold requests and what must come back,
// played against a real node over HTTPS, each file in a namespace of its own.
//
//   = Title                     begins a scene; what was kept by name lasts until the file's end
//   > METHOD /target            a request; then "> name: value" headers, then its body: from the first
//                               line on that is no header, or behind an empty one
//   > base64: ...               a body of bytes
//   < 201                       the answer's status
//   < name: value               a header of it
//   < {...}                     its body, exactly; may go on over lines that begin with "<"
//   ~ {...}                     its body, with whatever else it has in its objects
//   ~ text                      a text in its body        ! text   one that is not in it
//   @name GET /target           opens a watch; then "@name header: value"
//   @name {...}                 its next event, as "~"    @name end   that it ends, cleanly, with
//                               nothing more to say than how far it has come
//   * 1500                      waits so many milliseconds
//   # comment
//
// In requests {name} stands for what was kept, {ns} for the namespace. In what is expected a string
// may hold {uid}, {time}, {version}, {any}, and {version:name} or the like keeps it by a name.
'use strict';

const {test, before, after} = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const {start} = require('../lib/cluster.js');
const rest = require('../lib/rest.js');

const FOLDER = path.join(__dirname, 'transcripts');
const EVENT_MS = 8000;
const FORMS = {
  uid: '[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}',
  time: '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ',
  version: '[1-9]\\d*',
  any: '[^]*',
};

let cluster, api, failed = false;

before(async () => {
  cluster = await start({nodes: 1});
  api = rest.client({url: cluster.dev.nodes[0].api, ca: cluster.ca, token: cluster.dev.token});
}, {timeout: 60000});
after(async () => {
  api?.close();
  assert.equal(await cluster?.stop(failed), 0);
});

// ---- what is expected ----

// A pattern's text as a regular expression; the names that its groups keep.
function pattern(text, kept) {
  const names = [];
  const quoted = text.split(/(\{\w+(?::\w+)?\})/).map(part => {
    const form = /^\{(\w+)(?::(\w+))?\}$/.exec(part);
    if (form && FORMS[form[1]]) {
      names.push(form[2]);
      return `(${FORMS[form[1]]})`;
    }
    const known = form && !form[2] && kept[form[1]];
    return (known ?? part).replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  return {regexp: new RegExp(`^${quoted.join('')}$`), names};
}

function matchText(expected, actual, kept, where) {
  const {regexp, names} = pattern(expected, kept);
  const found = regexp.exec(actual);
  assert.ok(found, `${where} is ${JSON.stringify(actual)}, not ${JSON.stringify(expected)}`);
  names.forEach((name, i) => { if (name) kept[name] = found[i + 1]; });
}

// more: objects may have more members than expected; lists never have more items.
function match(expected, actual, more, kept, where = 'the body') {
  if (typeof expected === 'string' && typeof actual === 'string') {
    matchText(expected, actual, kept, where);
  } else if (Array.isArray(expected)) {
    assert.ok(Array.isArray(actual), `${where} is no list: ${JSON.stringify(actual)}`);
    assert.equal(actual.length, expected.length, `${where} has ${actual.length} items: ${JSON.stringify(actual)}`);
    expected.forEach((item, i) => match(item, actual[i], more, kept, `${where}[${i}]`));
  } else if (expected !== null && typeof expected === 'object') {
    assert.ok(actual !== null && typeof actual === 'object' && !Array.isArray(actual), `${where} is ${JSON.stringify(actual)}`);
    for (const name of Object.keys(expected)) {
      assert.ok(name in actual, `${where} has no ${name}: ${JSON.stringify(actual)}`);
      match(expected[name], actual[name], more, kept, `${where}.${name}`);
    }
    const others = Object.keys(actual).filter(name => !(name in expected));
    assert.ok(more || others.length === 0, `${where} has ${others} too: ${JSON.stringify(actual)}`);
  } else {
    assert.strictEqual(actual, expected, where);
  }
}

// ---- playing ----

const fill = (text, kept) => text.replace(/\{(\w+)\}/g, (all, name) => kept[name] ?? all);

class Watch {
  constructor(target, headers) {
    this.events = [];
    this.seen = 0;
    this.stream = api.watch(target, event => { this.events.push(event); this.wake?.(); }, {headers});
    this.ended = this.stream.ended.then(end => { this.over = end; this.wake?.(); return end; });
  }
  async next() {
    const limit = Date.now() + EVENT_MS;
    while (this.seen === this.events.length) {
      assert.ok(!this.over, `the watch ended: ${JSON.stringify(this.over)}`);
      assert.ok(Date.now() < limit, 'no further event');
      await new Promise(resolve => { this.wake = resolve; setTimeout(resolve, 100); });
    }
    return this.events[this.seen++];
  }
  async end() {
    const late = new Promise((resolve, reject) => setTimeout(reject, EVENT_MS, new Error('the watch goes on')).unref());
    const end = await Promise.race([this.ended, late]);
    assert.deepEqual([end.status, end.error, end.rest], [200, undefined, '']);
    const rest = this.events.slice(this.seen).filter(event => event.type !== 'BOOKMARK');
    assert.deepEqual(rest, [], 'events that nobody expected');
  }
}

class Play {
  constructor(ns) {
    this.kept = {ns};
    this.watches = {};
  }
  async begin(text) {
    await this.send();
    const [method, target] = text.split(' ');
    this.request = {method, target: fill(target, this.kept), headers: {}, body: undefined};
    this.answer = undefined;
  }
  more(text) {
    const header = this.request.body === undefined && /^([a-z][a-z0-9-]*): ?(.*)$/.exec(text);
    if (header && header[1] === 'base64') {
      this.request.body = Buffer.from(header[2], 'base64');
    } else if (header) {
      this.request.headers[header[1]] = fill(header[2], this.kept);
    } else if (this.request.body === undefined) {
      this.request.body = fill(text, this.kept);
    } else {
      this.request.body += (this.request.body ? '\n' : '') + fill(text, this.kept);
    }
  }
  async send() {
    if (this.request && !this.answer) {
      const {method, target, headers, body} = this.request;
      this.answer = await api.ask(method, target, {headers, body});
      if (this.answer.status === 422) { // kubectl prints nothing else of it
        const causes = this.answer.json.details?.causes;
        assert.ok(causes?.length && causes.every(c => c.reason && c.field && c.message), this.answer.text);
      }
    }
    return this.answer;
  }
  async expect(text, more) {
    const answer = await this.send();
    const header = /^([a-z][a-z0-9-]*): (.*)$/.exec(text);
    if (/^\d\d\d$/.test(text)) {
      assert.equal(answer.status, Number(text), answer.text);
    } else if (!more && header) {
      matchText(header[2], String(answer.headers[header[1]]), this.kept, header[1]);
    } else if (/^[{["]/.test(text)) {
      assert.ok(answer.json !== undefined, `the body is no JSON: ${answer.text.slice(0, 300)}`);
      match(JSON.parse(text), answer.json, more, this.kept);
    } else {
      matchText(text, answer.text.trim(), this.kept, 'the body');
    }
  }
  async watch(name, text) {
    await this.send();
    const open = /^GET (\S+)$/.exec(text);
    const header = /^([a-z][a-z0-9-]*): (.*)$/.exec(text);
    if (open) {
      this.open();
      this.opening = {name, target: fill(open[1], this.kept), headers: {}};
    } else if (header) {
      this.opening.headers[header[1]] = header[2];
    } else {
      this.open();
      const watch = this.watches[name];
      if (text === 'end') await watch.end();
      else match(JSON.parse(text), await watch.next(), true, this.kept, 'the event');
    }
  }
  open() {
    if (this.opening) {
      this.watches[this.opening.name] = new Watch(this.opening.target, this.opening.headers);
      this.opening = undefined;
    }
  }
  async step({mark, text}) {
    if (mark === '@') return this.watch(...text.split(/ (.*)/s));
    this.open();
    if (mark === '>') return /^[A-Z]+ [/{]/.test(text) ? this.begin(text) : this.more(text);
    if (mark === '<') return this.expect(text, false);
    if (mark === '~') return this.expect(text, true);
    if (mark === '$') return this.includes(text, true);
    if (mark === '!') return this.includes(text, false);
    if (mark === '*') return new Promise(resolve => setTimeout(resolve, Number(text)));
  }
  async includes(text, wanted) {
    const answer = await this.send();
    assert.equal(answer.text.includes(fill(text, this.kept)), wanted, `"${text}" is ${wanted ? 'not ' : ''}in: ${answer.text.slice(0, 3000)}`);
  }
  close() {
    Object.values(this.watches).forEach(watch => watch.stream.cut());
  }
}

// {title, steps: [{mark, text, line}]} of each scene; a JSON text may go on over lines.
function read(file) {
  const scenes = [];
  fs.readFileSync(file, 'utf8').split('\n').forEach((whole, i) => {
    const mark = whole[0];
    const text = whole.slice(1).replace(/^ /, '');
    if (mark === undefined || mark === '#') return;
    if (mark === '=') {
      scenes.push({title: text, steps: []});
      return;
    }
    assert.ok('<>~$!@*'.includes(mark) && scenes.length, `${file}:${i + 1}: what is "${whole}"?`);
    const steps = scenes.at(-1).steps;
    const last = steps.at(-1);
    if (last && last.mark === mark && '<~'.includes(mark) && /^[{[]/.test(last.text)) {
      try { JSON.parse(last.text); } catch { last.text += text; return; }
    }
    steps.push({mark, text, line: i + 1});
  });
  return scenes;
}

for (const file of fs.readdirSync(FOLDER).filter(name => name.endsWith('.http')).sort()) {
  const subject = path.basename(file, '.http');
  test(subject, {timeout: 60000}, async t => {
    const {status, text} = await api.ask('POST', '/api/v1/namespaces', {body: {metadata: {name: `t-${subject}`}}});
    assert.equal(status, 201, text);
    const play = new Play(`t-${subject}`);
    for (const {title, steps} of read(path.join(FOLDER, file))) {
      await t.test(title, async () => {
        assert.ok(steps.length, 'nothing happens');
        for (const step of steps) {
          try {
            await play.step(step);
          } catch (error) {
            failed = true;
            error.message = `${file}:${step.line}: ${error.message}`;
            throw error;
          }
        }
        await play.send();
      });
    }
    play.close();
  });
}
