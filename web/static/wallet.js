// The wallet: balances move by the live connection; when they do, newer lines of the statement can
// be had by a reload, and a button says so.
const text = (key) =>
  document.querySelector(`[data-bind="wallet.${key}"]`)?.textContent.replaceAll(',', '');
// As the server wrote them, before the first message.
const written = { available: text('available'), held: text('held') };
const head = document.getElementById('statement')?.parentElement;
let told = false;

document.addEventListener('medusa:wallet', ({ detail }) => {
  if (told || !head) return;
  if (detail.available === written.available && detail.held === written.held) return;
  told = true;
  const button = document.createElement('button');
  button.className = 'btn quiet small';
  button.textContent = 'Show new lines';
  button.addEventListener('click', () => location.assign('/app/wallet'));
  head.append(button);
});
