/**
 * Whether a WebGPU adapter runs on the processor. SwiftShader calls itself google / swiftshader; Microsoft's and Mesa's own
 * are known by name, others set the fallback flag.
 */
export function isSoftwareAdapter(info: {
  readonly vendor: string
  readonly architecture: string
  readonly isFallbackAdapter?: boolean
}): boolean {
  return info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|warp/i.test(`${info.vendor} ${info.architecture}`)
}
