// web3.js lives on when the session completes under its subscriptions. Prints READY, then what was notified.
import * as web3 from '@solana/web3.js';

const [rpc] = process.argv.slice(2);
process.on('uncaughtException', error => { console.log(JSON.stringify({ uncaught: String(error) })); process.exit(1); });
const connection = new web3.Connection(rpc, 'confirmed');
const slots = [];
connection.onLogs('all', () => {});
connection.onAccountChange(web3.SYSVAR_CLOCK_PUBKEY, () => {});
connection.onSlotChange(({ slot }) => {
  if (!slots.length) console.log('READY');
  slots.push(slot);
});
process.stdin.once('data', () => {
  console.log(JSON.stringify({ last: Math.max(...slots), twice: slots.length - new Set(slots).size }));
  process.exit(0);
});
