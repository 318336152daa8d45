const words = ['No', 'One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine', 'Ten', 'Eleven', 'Twelve']

/** A small count at the beginning of a sentence: `Four`; digits above twelve. */
export const countInWords = (value: number): string => words[value] ?? String(value)
