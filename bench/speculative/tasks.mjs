/** Tasks whose answers copy from the prompt, and one whose answer does not. */

const LIBRARY =
  'The town library opened in 1921 in a former grain store beside the river. Its first librarian, Edith Marlow, ' +
  'carried the books across the bridge herself, four at a time, because the cart that had been promised never ' +
  'came. By the end of the first winter she had read every one of them aloud to the children who gathered around ' +
  'the stove. When the flood of 1934 reached the second shelf, the same children, grown by then, formed a chain ' +
  'along the stairs and passed the books up to the attic. Not one was lost. The building was repaired, painted ' +
  'green, and given a clock that has never shown the right time.';

const CODE = `def average(values):
    total = 0
    for value in values:
        total = total + value
    return total / len(values)

def variance(values):
    mean = average(values)
    total = 0
    for value in values:
        total = total + (value - mean) * (value - mean)
    return total / len(values)
`;

/** @type {{ name: string, prompt: string }[]} */
export const TASKS = [
  {
    name: 'edit a text',
    prompt: `Correct the spelling of the following text and write it out again:\n\n${LIBRARY}`,
  },
  { name: 'edit code', prompt: `Write out this code again with comments added:\n\n${CODE}` },
  { name: 'summarise', prompt: `Summarize the following text.\n\n${LIBRARY}` },
  { name: 'free', prompt: 'Tell me a story about a fox who wanted to fly.' },
];
