/**
 * Share of a calibration text found in the evaluation text from which figures are worth a warning. Less is in any two texts of
 * one kind by chance (the bundled stories: 0.02 %).
 */
export const notableOverlap = 0.01
