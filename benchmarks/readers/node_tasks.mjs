// Node's ws: one callback receives and decodes. Prints one JSON object.
//
//   node node_tasks.mjs read_slots|drive STREAM CREATE CONTINUE PATH_OF_WS
//
// STREAM: what the server serves; CREATE and CONTINUE: the requests, in the second the session's id is "SESSION".
import { createRequire } from 'node:module';

const [what, streamText, create, continueText, folder] = process.argv.slice(2);
const WebSocket = createRequire(`${folder}/`)('ws');
const stream = JSON.parse(streamText);
const ws = new WebSocket(stream.url, { perMessageDeflate: false, skipUTF8Validation: true });
const proceed = id => ws.send(continueText.replaceAll('SESSION', id));

let ids = null, readies = 0, open = 0, began = 0, processor = null, take = settle;
const lastSlots = new Map(), ends = new Map(), trips = new Map();
let received = 0, misplaced = 0, tripCount = 0;

function settle(message) {
  if (message.method === 'sessionsCreatedV2') {
    ids = message.params.session_ids;
    open = ids.length;
    ids.forEach((id, place) => {
      lastSlots.set(id, message.params.start_slots[place] - 1);
      ends.set(id, message.params.end_slots[place]);
    });
  } else if (message.method === 'sessionEventV2') {
    readies += 1;
  }
  if (ids === null || readies !== ids.length) return;
  began = performance.now();
  processor = process.cpuUsage();
  take = what === 'drive' ? drive : readSlot;
  (what === 'drive' ? ids : ids.slice(-1)).forEach(id => { trips.set(id, began); proceed(id); });
}

function readSlot({ params: { session_id: id, event } }) {
  if (event.method === 'slotNotification') {
    if (event.params !== lastSlots.get(id) + 1) misplaced += 1;
    lastSlots.set(id, event.params);
    received += 1;
  } else if (event.method === 'completed') {
    open -= 1;
  }
}

const times = [];
function drive({ params: { session_id: id, event } }) {
  if (event.method === 'slotNotification') return;
  const now = performance.now();
  times.push((now - trips.get(id)) / 1000);
  tripCount += 1;
  trips.set(id, now);
  if (event.method === 'completed') open -= 1;
  else proceed(id);
}

ws.on('open', () => ws.send(create));
ws.on('message', data => {
  take(JSON.parse(data));
  if (ids === null || open > 0) return;
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(processor);
  const unfinished = what === 'drive' ? 0 : ids.filter(id => lastSlots.get(id) !== ends.get(id)).length;
  console.log(JSON.stringify({ seconds, cpu: (user + system) / 1e6, received, misplaced, unfinished, trips: tripCount, times }));
  ws.terminate();
});
