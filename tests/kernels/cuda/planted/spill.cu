/// Keeps 64 values where the launch bounds leave 32 registers.
__global__ void __launch_bounds__(1024, 2) Spills(float* x) {
  float values[64];
#pragma unroll
  for (int i = 0; i < 64; ++i) values[i] = x[threadIdx.x + i * 1024];
  __syncthreads();
#pragma unroll
  for (int i = 0; i < 64; ++i) x[threadIdx.x * 64 + i] = values[63 - i] * values[(i * 7) % 64];
}
