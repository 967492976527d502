// A module of the person's own that splits or merges: one of those that were uploaded before, or a
// new one.
import { dropZone } from './drop.js';
import { el } from './words.js';

/** Chooses a program, also one that the list does not have. */
export function pick(select, id, name = id) {
  if (id && ![...select.options].some(({ value }) => value === id)) select.append(el('option', { value: id }, name));
  select.value = id ?? '';
}

/** Lets a file become the chosen module; `addProgram(file, blob)` has it inspected. */
export function moduleField(name, addProgram) {
  const select = document.getElementById(name);
  dropZone(name, {
    failed: () => {},
    done: async (file, blob) => {
      const program = await addProgram(file, blob);
      pick(select, program.id, program.name);
      select.dispatchEvent(new Event('input', { bubbles: true }));
      return 'It passed inspection.';
    },
  });
}
