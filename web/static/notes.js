// Checkpoints as files: the note exactly as it was signed.
for (const button of document.querySelectorAll('[data-note]')) {
  button.hidden = false;
  button.addEventListener('click', () => {
    const text = button.parentElement.querySelector('pre').textContent;
    const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = address;
    link.download = button.dataset.note;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1_000);
  });
}
