// kit goes on sending and confirming when the session completes under its subscription. Prints READY, then one JSON object.
import * as kit from '@solana/kit';
import * as system from '@solana-program/system';

const [rpc] = process.argv.slice(2);
const client = kit.createSolanaRpc(rpc);
const subscriptions = kit.createSolanaRpcSubscriptions(rpc.replace('http', 'ws'));
const payer = await kit.generateKeyPairSigner(), to = (await kit.generateKeyPairSigner()).address;
const failed = [];
const airdrop = kit.airdropFactory({ rpc: client, rpcSubscriptions: subscriptions });
await airdrop({ recipientAddress: payer.address, lamports: kit.lamports(5n * 10n ** 9n), commitment: 'confirmed' });
const slots = await subscriptions.slotNotifications().subscribe({ abortSignal: new AbortController().signal });
(async () => { for await (const _ of slots); })().catch(error => failed.push(error.message));
const send = kit.sendAndConfirmTransactionFactory({ rpc: client, rpcSubscriptions: subscriptions });
async function pay(lamports) {
  const { value: lifetime } = await client.getLatestBlockhash().send();
  const move = system.getTransferSolInstruction({ source: payer, destination: to, amount: kit.lamports(lamports) });
  const message = kit.pipe(
    kit.createTransactionMessage({ version: 0 }),
    m => kit.setTransactionMessageFeePayerSigner(payer, m),
    m => kit.setTransactionMessageLifetimeUsingBlockhash(lifetime, m),
    m => kit.appendTransactionMessageInstructions([move], m));
  const signed = await kit.signTransactionMessageWithSigners(message);
  await send(signed, { commitment: 'confirmed' }).catch(error => failed.push(error.message));
}
console.log('READY');
process.stdin.once('data', async () => {
  await pay(10n ** 9n);
  await pay(2n * 10n ** 9n);
  const { value: balance } = await client.getBalance(to).send();
  console.log(JSON.stringify({ balance: Number(balance), failed }));
  process.exit(0);
});
