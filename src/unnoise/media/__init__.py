"""Pictures as files: read, write, label, animate, and the record that each one carries.

The only folder that knows PIL. Pixels are uint8 tensors (C, H, W). Import the file that you need: `record` and
`infotext` take neither torch nor PIL, `container` and `embed` no torch.
"""
