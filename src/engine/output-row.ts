/** What a step gives for a token: logits, or a hidden state. Views of shared memory that the next step overwrites. */
export interface OutputRow {
  values: Float32Array;
  /**
   * With logits, the workers' note of the largest of each PEAK_SPAN neighbours, or NaN where one of these is NaN or
   * infinite: whoever looks for the best reads little of what other cores have just written. The last one may be larger
   * than the logits that it stands for. Absent where no op of the engine ends a model.
   */
  peaks?: Float32Array;
}
