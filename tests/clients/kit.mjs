// kit on one session: sendAndConfirm moves the lamports once. Prints one JSON object.
import * as kit from '@solana/kit';
import * as system from '@solana-program/system';

const [rpc] = process.argv.slice(2);
const client = kit.createSolanaRpc(rpc);
const subscriptions = kit.createSolanaRpcSubscriptions(rpc.replace('http', 'ws'));
const payer = await kit.generateKeyPairSigner(), to = (await kit.generateKeyPairSigner()).address;
const airdrop = kit.airdropFactory({ rpc: client, rpcSubscriptions: subscriptions });
await airdrop({ recipientAddress: payer.address, lamports: kit.lamports(5n * 10n ** 9n), commitment: 'confirmed' });
const send = kit.sendAndConfirmTransactionFactory({ rpc: client, rpcSubscriptions: subscriptions });
const { value: lifetime } = await client.getLatestBlockhash().send();
const pay = system.getTransferSolInstruction({ source: payer, destination: to, amount: kit.lamports(10n ** 9n) });
const message = kit.pipe(
  kit.createTransactionMessage({ version: 0 }),
  m => kit.setTransactionMessageFeePayerSigner(payer, m),
  m => kit.setTransactionMessageLifetimeUsingBlockhash(lifetime, m),
  m => kit.appendTransactionMessageInstructions([pay], m));
await send(await kit.signTransactionMessageWithSigners(message), { commitment: 'confirmed' });
const { value: balance } = await client.getBalance(to).send();
console.log(JSON.stringify({ balance: Number(balance) }));
process.exit(0);
